"""Lists and runs the benchmarks; each appends rows to `bench/results/` and renews their page.

python -m bench                    run them all
python -m bench --list
python -m bench gateway --rounds 5
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from bench import gateway, processes, report

HERE = Path(__file__).parent
SCRIPTS = (
    *("decision", "placement", "analysis", "policy", "receipts", "index", "replay", "embeddings"),
    *("latency", "times"),
)
"""Benchmarks of one part: scripts that print one JSON object a line; rows are appended here."""

ENDURANCE = ("workers", "reload", "crash", "kills", "soak")
"""Whole gateways under long load; each appends a row itself, and exits 1 when it is not sound."""

STUDIES = ("routes", "sensitivity", "tasks", "cost_quality", "cascade", "judging")
"""Beside other packages, on labelled rows; each appends rows itself."""

GIVEN = ("prefix", "prefix_sim")
"""Scripts too, but they need weights or a trace: only by name."""

OTHERS = ("gateway", *ENDURANCE, *STUDIES, "report", "compare", "load", "peers", "size")


def purpose(name: str) -> str:
    path = HERE / f"{name}.py"
    if not path.exists():
        return "(not there)"
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return said.partition("\n")[0]


def script(name: str, arguments: list[str]) -> None:
    """Runs one script, shows its lines, keeps those that are rows."""
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    done = subprocess.run(
        command, cwd=processes.ROOT, env=_alone(), stdout=subprocess.PIPE, check=True
    )
    facts = processes.machine()
    for line in done.stdout.decode().splitlines():
        print(line)
        if line.startswith("{"):
            processes.append(name, {"bench": name, **json.loads(line), **facts})


def _alone() -> dict[str, str]:
    """As the command line of Situs has it: two threads only wait for each other."""
    return {"OPENBLAS_NUM_THREADS": "1", **os.environ}


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            for name in SCRIPTS:
                if (HERE / f"{name}.py").exists():
                    script(name, [])
            gateway.main(["--systems", "situs"])
            report.write()
        case ["--list"] | ["list"] | ["--help"] | ["-h"]:
            for name in (*SCRIPTS, *GIVEN, *OTHERS):
                print(f"{name:12} {purpose(name)}")
        case [name, *rest] if name in SCRIPTS or name in GIVEN:
            script(name, rest)
            report.write()
        case ["gateway", *rest]:
            gateway.main(rest)
            report.write()
        case [name, *rest] if name in OTHERS:
            command = [sys.executable, "-m", f"bench.{name}", *rest]
            done = subprocess.run(command, cwd=processes.ROOT, env=_alone(), check=False)
            sys.exit(done.returncode)
        case _:
            sys.exit(f"no benchmark {arguments[0]}; python -m bench --list")


if __name__ == "__main__":
    main(sys.argv[1:])
