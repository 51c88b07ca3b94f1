"""What people would rather look at than read as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from situs.doctor import Diagnosis
    from situs.trust.api_keys import ApiKey

_SHORT = {"cost": "cheap", "latency": "lat.", "quality": "good"}
"""The scorers' names as heads of narrow columns; `cost` is also the head of the expected cost."""
_SHOWN = 20
_COLOURS = {"active": "green", "off": "dim", "problem": "bold red"}


def explanation(answer: dict[str, Any]) -> None:
    """An explained decision: what the request is, what may, what is best, where it would go."""
    console = Console(highlight=False)
    decision = answer["decision"]
    analysis, policy = decision["analysis"], decision["policy"]
    because = "; ".join(f"{r['source']}: {r['detail']}" for r in analysis["reasons"])
    console.print(f"label      [bold]{analysis['label']}[/]  ({escape(because)})")
    console.print(f"request    {_request(analysis)}")
    console.print(f"found by   {found_by(analysis)}")
    if analysis["routed"] is not None:
        console.print(f"route      {escape(_routed(analysis['routed']))}")
    console.print(f"policy     {policy['policy'][:16]}  {policy['error'] or ''}")
    console.print(f"objective  {_objective(decision['placement'])}")
    console.print()
    console.print(_may(answer["deployments"]))
    if answer["route_answer"]:
        console.print("\n[bold green]Situs would answer it itself[/] (its route has an answer).")
        return
    if answer["pick"] is None:
        console.print("\n[bold red]It would be refused:[/] nothing is left.")
        return
    console.print()
    left = sorted((r for r in answer["deployments"] if r["candidate"]), key=lambda r: r["rank"])
    weights, shown = answer.get("weights", {}), left[:_SHOWN]
    if console.width >= 76 + 12 * len(weights):
        console.print(_best(shown, weights))
    else:
        console.print(_best(shown, {}))
        console.print()
        console.print(_scored(shown, weights))
    if len(left) > _SHOWN:
        console.print(f"[dim]and {len(left) - _SHOWN} more (--json shows all)[/]")
    console.print(f"\nIt would go to [bold green]{escape(answer['pick'])}[/].")
    console.print(f"why        {escape(answer['why'])}")


def _objective(placement: dict[str, Any]) -> str:
    """With the mode, and what else of the aim holds."""
    aim = placement.get("given", {}).get("aim", {})
    more = [f"quality at least {aim.get('quality', 0.95):.0%} of the best"]
    scope = aim.get("scope", "")
    if scope:
        more.append(f"mode {placement.get('mode') or 'none'} ({scope})")
    more += ["cascade"] if placement.get("cascade") else []
    more += ["hedged"] if placement.get("hedge") else []
    return f"{placement['objective']}  ({', '.join(more)})"


def _request(analysis: dict[str, Any]) -> str:
    """The task with its probability, what it needs, and how many tokens go in and come out."""
    sure = analysis.get("task_probability")
    task = analysis["task"] if sure is None else f"{analysis['task']} ({sure:.0%})"
    bounds = analysis.get("completion_range")
    out = f"{analysis['completion_tokens']} out"
    if bounds is not None:
        out = f"{out} ({bounds[0]} to {bounds[1]})"
    return f"{task}; needs {analysis['needs']}; about {analysis['prompt_tokens']} tokens in, {out}"


def found_by(analysis: dict[str, Any]) -> str:
    """By which tier each part of the analysis was found."""
    tiers = analysis.get("tiers") or {"task": analysis.get("tier", "rule")}
    return ", ".join(f"{part}: {tier}" for part, tier in tiers.items())


def _routed(routed: dict[str, Any]) -> str:
    """The route, and how the request came to it."""
    by = {
        "asked": "asked for by name",
        "rule": f"its rule {routed['rule']} matches",
        "samples": f"like its samples, score {routed['score']:.2f}",
    }
    return f"{routed['route']}  ({by[routed['by']]})"


def _may(rows: list[dict[str, Any]]) -> Table:
    """Every deployment with what policy, each filter that refuses it, and obligations say."""
    owing = any(row.get("owed") for row in rows)
    table = _table("deployment", "locus", "policy", *(["owed"] if owing else []), "filters")
    for row in rows:
        refused = [f"{name}: {said}" for name, said in row["filters"].items() if said != "ok"]
        owed = escape("; ".join(map(_owed, row.get("owed", ()))) or "-")
        table.add_row(
            escape(row["deployment"]),
            escape(f"{row['locus']} ({row['jurisdiction']})"),
            _coloured(row["policy"], row["policy"] == "allow"),
            *([owed] if owing else []),
            _coloured("; ".join(refused) or "all pass", not refused),
        )
    return table


def _owed(one: dict[str, Any]) -> str:
    """An obligation in a few words: `redact card, iban`, `answer_scan (stop)`."""
    kinds, limit = ", ".join(one.get("findings", ())), one.get("limit", 0)
    more = {
        "answer_scan": f"({one.get('action', 'stop')})",
        "pseudonymise": "(session)" if one.get("scope") == "session" else "",
        "max_output_tokens": f"({limit})",
        "hold_for_approval": f"({limit} s)" if limit else "",
    }
    return " ".join(word for word in (one["kind"], kinds, more.get(one["kind"], "")) if word)


def _best(rows: Sequence[dict[str, Any]], weights: dict[str, float]) -> Table:
    """What is left, best first, with what is expected of it, and its scores where there is room."""
    heads = ["quality", "cost", "TTFT", "E2E", "cached", *_heads(weights)]
    table = _table("", "deployment", *heads, numbers=True)
    for row in rows:
        candidate = row["candidate"]
        notes = [] if candidate["adequate"] else ["too weak"]
        notes += [row["role"].replace("_", " ")] if row.get("role", "active") != "active" else []
        table.add_row(
            str(row["rank"]),
            escape(row["deployment"]) + (f" ({', '.join(notes)})" if notes else ""),
            _quality(row),
            "?" if candidate["cost"] is None else _money(candidate["cost"]),
            f"{candidate['ttft_s']:.2f} s",
            f"{candidate['e2e_s']:.1f} s",
            f"{candidate['cached_tokens']}/{candidate['prompt_tokens']}",
            *_scores(candidate, weights),
        )
    return table


def _scored(rows: Sequence[dict[str, Any]], weights: dict[str, float]) -> Table:
    """What the scorers say, by which near-equals are told apart."""
    table = _table("", "deployment", *_heads(weights), numbers=True)
    for row in rows:
        values = _scores(row["candidate"], weights)
        table.add_row(str(row["rank"]), escape(row["deployment"]), *values)
    return table


def _heads(weights: dict[str, float]) -> list[str]:
    heads = [f"{_SHORT.get(name, name)} x{weight:.1f}" for name, weight in weights.items()]
    return ["score", *heads] if heads else []


def _scores(candidate: dict[str, Any], weights: dict[str, float]) -> list[str]:
    if not weights:
        return []
    scores = [f"{candidate['scores'][name]:.2f}" for name in weights]
    return [f"{candidate['score']:.2f}", *scores]


def _money(amount: float) -> str:
    """Two digits that count, and no exponent."""
    return f"{float(f'{amount:.2g}'):.9f}".rstrip("0").rstrip(".")


def _quality(row: dict[str, Any]) -> str:
    """The expected quality, and between what it lies."""
    mean, bounds = row["candidate"]["quality"], row.get("quality_range")
    if mean is None:
        return "?"
    return f"{mean:.0%}" if bounds is None else f"{mean:.0%} ({bounds[0]:.0%}-{bounds[1]:.0%})"


def diagnoses(found: Sequence[Diagnosis]) -> None:
    """What the doctor says, problems with what to do."""
    table = _table("feature", "", "because")
    for one in found:
        colour = _COLOURS[one.condition]
        told = escape(one.because) + (f"\n[dim]{escape(one.do)}[/]" if one.do else "")
        table.add_row(escape(one.feature), f"[{colour}]{one.condition}[/]", told)
    console = Console(highlight=False)
    console.print(table)
    count = sum(one.condition == "problem" for one in found)
    if count:
        console.print(f"\n[bold red]{count} problem{'' if count == 1 else 's'}[/]")


def keys(found: Sequence[ApiKey], now: float) -> None:
    """API keys, newest last, and which of them are of no use at `now`. Times are UTC."""
    table = _table("id", "name", "tenant", "groups", "scopes", "rpm", "ends (UTC)", "")
    for key in found:
        ended = "" if key.refused(now) is None else "expired"
        if key.revoked is not None:
            ended = f"revoked {_minute(key.revoked)}"
        table.add_row(
            key.id,
            *(escape(text) for text in (key.name, key.tenant, " ".join(key.groups))),
            " ".join(key.scopes),
            str(key.rpm or ""),
            "never" if key.expires is None else _minute(key.expires),
            _coloured(ended, False) if ended else "",
        )
    Console(highlight=False).print(table)


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _table(*columns: str, numbers: bool = False) -> Table:
    """A plain table; with `numbers`, everything after the second column is one, and kept whole."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, column in enumerate(columns):
        right = numbers and place > 1
        justify: Literal["left", "right"] = "right" if right else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=right)
    return table


def _coloured(text: str, good: bool) -> str:
    return f"[{'green' if good else 'red'}]{escape(text)}[/]"
