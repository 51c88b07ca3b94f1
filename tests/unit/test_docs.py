"""What the documentation says is compared with the code; `python -m tests.unit.test_docs` writes
docs/reference/cli.md anew."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from tests.e2e.leak_attempts import INPUTS, PROMPTS, STAYS

from situs import errors
from situs.analysis.sensitivity.table import DETECTORS
from situs.cli.main import cli
from situs.config.load import parse
from situs.core.capability import CapabilityClass
from situs.core.data import Leaves
from situs.core.fleet import Health, KeyCustody, LocusKind, TrainingUse, Transit
from situs.core.label import Label
from situs.core.record import End
from situs.core.request import Modality, Objective, Wire
from situs.errors import OperatorError, SitusError
from situs.http import headers
from situs.placement.filters import FILTERS
from situs.placement.objectives import OBJECTIVES
from situs.placement.scorers import SCORERS
from situs.rego.embedded import load as load_policy
from situs.rego.testing import run_tests

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.md")]
)
CLI = REFERENCE / "cli.md"


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def fenced(language: str) -> Iterator[tuple[str, str]]:
    """Every block of a language in the documentation, with where it stands."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{named(page)}:{line}", match[1]


def blocks(language: str):
    found = list(fenced(language))
    assert found
    return [pytest.param(text, id=where) for where, text in found]


# Errors


def subclasses(kind: type[SitusError]) -> Iterator[type[SitusError]]:
    yield kind
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from subclasses(one)


def drawn() -> dict[str, tuple[str, str]]:
    """Name to parent and status, as the docstring of errors.py draws them."""
    found: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"((?: {4})?[│├└─ ]*)([A-Z]\w+)(?:\s+(\d{3}))?(?:\s.*)?", line)
        if match is None or not hasattr(errors, match[2]):
            continue
        depth = (len(match[1]) - 4) // 3
        above[depth:] = [match[2]]
        found[match[2]] = (above[depth - 1] if depth else "", match[3] or "")
    return found


def is_operators(kind: type[SitusError]) -> bool:
    return issubclass(kind, OperatorError)


def test_the_tree_of_errors_is_drawn_as_it_is():
    classes = {
        kind.__name__: (
            "" if kind is SitusError else kind.__bases__[0].__name__,
            "" if kind is SitusError or is_operators(kind) else str(kind.status),
        )
        for kind in subclasses(SitusError)
    }
    assert drawn() == classes


def test_every_error_code_has_a_section_with_its_status_and_no_other_has():
    page = (REFERENCE / "errors.md").read_text("utf-8")
    sections = dict(re.findall(r"^### (\w+)\n\n(.*)", page, re.MULTILINE))
    kinds = list(subclasses(SitusError))
    assert set(sections) == {kind.code for kind in kinds}
    for kind in kinds:
        if not is_operators(kind):
            assert sections[kind.code].startswith(str(kind.status)), kind.code


# Names


def test_every_header_is_in_the_http_reference_and_no_other_is():
    page = (REFERENCE / "http-api.md").read_text("utf-8")
    asked, _, told = page.partition("## Response headers")
    rows = [
        set(re.findall(r"^\| `(x-situs-[a-z-]+)`", part, re.MULTILINE)) for part in (asked, told)
    ]
    assert rows[0] == {name.decode() for name in headers.REQUEST_HEADERS}
    assert rows[1] == {name.decode() for name in headers._RESPONSE_ONLY} | {"x-situs-label"}


def test_no_page_names_a_header_that_does_not_exist():
    known = {name.decode() for name in [*headers.REQUEST_HEADERS, *headers._RESPONSE_ONLY]}
    for page in PAGES:
        said = set(re.findall(r"x-situs-[a-z]+(?:-[a-z]+)*", page.read_text("utf-8")))
        assert said <= known, named(page)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("placement.md", [*FILTERS, *SCORERS]),
        ("placement.md", [objective.value for objective in OBJECTIVES]),
        ("placement.md", [health.value for health in Health]),
        ("http-api.md", [end.value for end in End]),
        ("http-api.md", [word.value for word in (*Label, *Objective)]),
        ("detectors.md", sorted({detector.kind for detector in DETECTORS})),
        (
            "policy-input.md",
            [
                word.value
                for words in (CapabilityClass, KeyCustody, Leaves, LocusKind, Modality)
                for word in words
            ],
        ),
        (
            "policy-input.md",
            [word.value for words in (TrainingUse, Transit, Wire) for word in words],
        ),
    ],
)
def test_what_users_meet_is_named_in_the_reference(page, names):
    text = (REFERENCE / page).read_text("utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_code_of_a_filter_is_in_the_reference():
    page = (REFERENCE / "placement.md").read_text("utf-8")
    source = (ROOT / "src/situs/placement/filters.py").read_text("utf-8")
    codes = re.findall(r'(?:return|else|is None) "([a-z_]+)"|"([a-z_]+)" if', source)
    found = {one or other for one, other in codes}
    assert {"not_asked_for", "saturated", "too_expensive", "not_owned"} <= found
    assert [code for code in found if f"`{code}`" not in page] == []


def test_the_weights_of_objectives_are_those_of_the_code():
    page = (REFERENCE / "placement.md").read_text("utf-8")
    _, _, section = page.partition("## Objectives")
    for objective, profile in OBJECTIVES.items():
        row = re.search(rf"^\| `{objective}`.*$", section, re.MULTILINE)
        assert row is not None
        said = dict(re.findall(r"(\w+) (0\.\d+)", row[0]))
        assert {name: float(weight) for name, weight in said.items()} == profile.weights


# Commands


def walk(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    settings: dict[str, Any] = {"terminal_width": 80, **command.context_settings}
    context = click.Context(command, parent, name, **settings)
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from walk(found, context, inner)


def cli_page() -> str:
    head = (
        "# Commands\n\n<!-- Made by `python -m tests.unit.test_docs`; do not edit. -->\n\n"
        "What every command says to `--help`. Without `--data`, data live in `$SITUS_DATA`, else "
        "in `$XDG_DATA_HOME/situs`,\nelse in `~/.local/share/situs`. Errors are explained in "
        "[errors](errors.md#on-the-command-line).\n\n"
    )
    return head + "\n".join(walk(cli, None, "situs"))


def test_the_page_of_commands_is_what_help_says():
    """If this fails: python -m tests.unit.test_docs

    In a process of its own: click keeps the help option of the first call of a command.
    """
    code = "from tests.unit.test_docs import cli_page; print(cli_page(), end='')"
    page = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert page.stdout == CLI.read_text("utf-8"), page.stderr


def test_commands_in_the_documentation_exist():
    context = click.Context(cli)
    others = (
        "`situs receipts checkpoint v1",
        "`situs receipts rotation v1",
        "`situs receipts test vector`",
    )  # texts to sign, hash
    for page in PAGES:
        text = page.read_text("utf-8")
        for other in others:
            text = text.replace(other, "")
        for group, inner in re.findall(r"`situs ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?", text):
            command = cli.get_command(context, group)
            assert command is not None, (named(page), group)
            if isinstance(command, click.Group) and inner:
                assert command.get_command(context, inner) is not None, (named(page), inner)


# Links and blocks


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_every_page_can_be_reached_from_the_index():
    index = ROOT / "docs" / "index.md"
    seen, todo = set(), [index]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        todo += [(page.parent / link).resolve() for link in links]
    assert [named(page) for page in (ROOT / "docs").rglob("*.md") if page not in seen] == []


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configurations_in_the_documentation_load(text):
    assert parse(text).deployments


def is_test(text: str) -> bool:
    return re.search(r"^package \w+_test$", text, re.MULTILINE) is not None


@pytest.mark.parametrize("text", blocks("rego"))
def test_policies_in_the_documentation_load_and_their_tests_pass(text, tmp_path, request):
    page = request.node.callspec.id.partition(":")[0]
    beside = [other for where, other in fenced("rego") if where.startswith(f"{page}:")]
    policy = next(other for other in beside if not is_test(other))
    (tmp_path / "my_policy.rego").write_text(policy)
    if is_test(text):
        (tmp_path / "my_policy_test.rego").write_text(text)
        assert all(outcome.passed for outcome in run_tests([tmp_path / "my_policy.rego"]).outcomes)
    else:
        assert load_policy([tmp_path / "my_policy.rego"]).digest


# What must not be in the repository


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_pages_say_as_many_attempts_to_leak_as_there_are():
    attempts = len(STAYS) + len(PROMPTS) + len(INPUTS)
    for page in ("SECURITY.md", "docs/reference/detectors.md"):
        text = (ROOT / page).read_text()
        assert f"more than {attempts // 100 * 100} " in text, page


def test_no_file_names_a_machine_or_a_registry():
    """The words are put together here, so that this file does not hold them."""
    words = [
        "/" + "work/",
        "/" + "root/",
        "/home/" + "runner",
        "pypi" + ".org",
        "python" + "hosted",
    ]
    pattern = re.compile("|".join(map(re.escape, words)))
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{named(path)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


if __name__ == "__main__":
    CLI.write_text(cli_page(), "utf-8")
