import pytest
from bench.size import complaints, main, measure


def long_function(lines):
    return "def f():\n" + "    x = 1\n" * (lines - 1)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (long_function(50), None),
        (long_function(51), "a.py:f: 51 lines (at most 50)"),
        ("x = 1\n" * 400, None),
        ("x = 1\n" * 401, "a.py: 401 lines (at most 400)"),
        ("def f(a, b, c, d, e, f): ...", None),
        ("def f(a, b, c, d, e, *, f, g): ...", "a.py:f: 7 parameters (at most 6)"),
        ("class C:\n def f(self, a, b, c, d, e, f): ...", None),
        (
            "class C:\n async def f(self, a, b, c, d, e, f, g): ...",
            "a.py:C.f: 7 parameters (at most 6)",
        ),
        ("if x:\n def f(a, b, c, d, e, f, g): ...", "a.py:f: 7 parameters (at most 6)"),
    ],
)
def test_limits(source, said):
    assert complaints(list(measure("a.py", source)), {}) == ([said] if said else [])


def test_an_exemption_needs_a_reason_and_a_use():
    items = list(measure("a.py", long_function(60)))
    assert complaints(items, {"a.py:f": "a table"}) == []
    assert "without a reason" in complaints(items, {"a.py:f": " "})[0]
    assert "no longer" in complaints(items, {"a.py:f": "a table", "b.py": "gone"})[0]


def test_the_command_reads_the_exemptions_of_the_project(tmp_path, capsys):
    source = tmp_path / "src" / "p" / "a.py"
    source.parent.mkdir(parents=True)
    source.write_text(long_function(70))
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.situs.size]\nexempt = {}\n")
    assert main(["--root", str(tmp_path)]) == 1
    assert "src/p/a.py:f" in capsys.readouterr().err
    project.write_text('[tool.situs.size]\nexempt = {"src/p/a.py:f" = "a table"}\n')
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--root", str(tmp_path), "--list"]) == 0
    assert "70  src/p/a.py:f" in capsys.readouterr().out
