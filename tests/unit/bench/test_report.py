import json

from bench import processes, report
from bench.report import Table, newest, page, section, shown, value

ROW = {"at": "2026-01-02T03:04:05Z", "cpu": "C", "cpus": 2, "python": "3.11", "commit": "abc-dirty"}
TABLE = Table("x", "X", "says.", {"what": "what"}, {"figure": "deep.figure", "none": "none"})


def test_the_page_is_current():
    assert report.PAGE.read_text("utf-8") == page(), "python -m bench.report"


def test_every_table_finds_its_figures():
    for table in report.TABLES:
        file = processes.RESULTS / f"{table.name}.jsonl"
        if file.exists():
            row = json.loads(file.read_text("utf-8").splitlines()[-1])
            paths = [*table.about.values(), *table.shown.values()]
            assert any(value(row, path) is not None for path in paths), table.name


def test_of_each_subject_the_newest_row_is_shown():
    rows = [{"what": "a", "n": 1}, {"what": "b", "n": 2}, {"what": "a", "n": 3}]
    assert newest(rows, ["what"]) == [{"what": "a", "n": 3}, {"what": "b", "n": 2}]


def test_a_section_leaves_out_columns_without_figures():
    text = section(TABLE, [{**ROW, "what": "a", "deep": {"figure": 1234.6}}])
    assert "| what | figure |" in text
    assert "| a | 1235 |" in text
    assert "none" not in text
    assert "Measured 2026-01-02 on C, 2 CPUs, Python 3.11, at abc." in text


def test_figures_are_short():
    assert [shown(x) for x in (None, True, 12_345, 123.4, 1.23456, [1, 2], "w")] == [
        *("", "yes", "12 345", "123", "1.23", "1 → 2", "w"),
    ]
    assert shown(False) == "**no**"
