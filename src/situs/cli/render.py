"""What people would rather look at than read as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def explanation(answer: dict[str, Any]) -> None:
    """An explained decision: what the request is, then every deployment with its reasons."""
    console = Console(highlight=False)
    decision = answer["decision"]
    analysis, policy = decision["analysis"], decision["policy"]
    label = ("public", "internal", "confidential", "restricted")[analysis["label"]]
    because = "; ".join(f"{r['source']}: {r['detail']}" for r in analysis["reasons"])
    console.print(f"label      [bold]{label}[/]  {escape(because) or 'nothing found'}")
    needs = ("rule", "tiny", "small", "medium", "frontier")[analysis["needs"]]
    console.print(
        f"request    {analysis['task']}; needs {needs}; "
        f"about {analysis['prompt_tokens']} tokens in, {analysis['completion_tokens']} out"
    )
    console.print(f"policy     {policy['policy'][:16]}  {policy['error'] or ''}")
    console.print(f"objective  {decision['placement']['objective']}")
    console.print(_table(answer["deployments"]))
    if answer["pick"] is None:
        console.print("[bold red]It would be refused:[/] nothing is left.")
    else:
        console.print(f"It would go to [bold green]{escape(answer['pick'])}[/].")


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("rank", "deployment", "locus", "policy", "filters", "cost", "TTFT", "scores"):
        table.add_column(column, justify="right" if column in ("rank", "cost", "TTFT") else "left")
    for row in sorted(rows, key=lambda row: row["rank"] or len(rows) + 1):
        expected, candidate = row["expected"], row["candidate"]
        refused = [f"{name}: {said}" for name, said in row["filters"].items() if said != "ok"]
        table.add_row(
            str(row["rank"] or "-"),
            escape(row["deployment"]),
            escape(f"{row['locus']} ({row['jurisdiction']})"),
            _coloured(row["policy"], row["policy"] == "allow"),
            _coloured("; ".join(refused) or "ok", not refused),
            "?" if expected["cost"] is None else f"{expected['cost']:.2g}",
            f"{expected['ttft_s']:.2f} s",
            "" if candidate is None else _scores(candidate),
        )
    return table


def _scores(candidate: dict[str, Any]) -> str:
    each = " ".join(f"{name} {value:.2f}" for name, value in candidate["scores"].items())
    adequate = "" if candidate["adequate"] else " (too weak)"
    return f"{candidate['score']:.3f}{adequate} = {each}"


def _coloured(text: str, good: bool) -> str:
    return f"[{'green' if good else 'red'}]{escape(text)}[/]"
