"""The table of docs/reference/failures.md, from the data; run it to write the page anew."""

from __future__ import annotations

import re
from pathlib import Path

from situs.studies.failures import read_cases

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "failures.md"
_HEAD = "| the upstream … (case) | a whole answer | a stream | the deployment is then |\n"
_RULE = "| --- | --- | --- | --- |\n"
_WORDS = {
    "answered": "answered",
    "next": "`{end}`, the next place is asked",
    "broken": "`{end}`, an error event",
}


def shown(data) -> str:
    lines = []
    for name, case in data.cases.items():
        whole, stream = (_said(one) for one in (case.whole, case.stream))
        times = "at once" if case.after == 1 else f"after {case.after} in a row"
        health = f"`{case.health}` {times}"
        lines.append(f"| {case.what} (`{name}`) | {whole} | {stream} | {health} |\n")
    return _HEAD + _RULE + "".join(lines)


def _said(then) -> str:
    return _WORDS[then.then].format(end=then.end)


def main() -> None:
    page = PAGE.read_text("utf-8")
    table = re.compile(re.escape(_HEAD) + r"(\|.*\n)+")
    PAGE.write_text(table.sub(lambda _: shown(read_cases()), page, count=1), "utf-8")


if __name__ == "__main__":
    main()
