"""Writes docs/reference/benchmarks.md from the newest rows of `bench/results/`.

python -m bench.report           writes the page
python -m bench.report --check   exits 1 when it is not current
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.processes import RESULTS, ROOT

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
Row = Mapping[str, Any]


class Table(Struct, frozen=True):
    """One benchmark on the page.

    `about` are the members that say what a row is about, of each the newest row is shown; `shown`
    are the figures by their headings. A dot leads into a member that is an object.
    """

    name: str
    title: str
    says: str
    about: dict[str, str]
    shown: dict[str, str]


TABLES = (
    Table(
        "gateway",
        "The gateway under load",
        "saturated with 32 connections, then at 100 requests/s, where “added” is the time beyond "
        "the bare upstream (`direct`) in the same round. The gateway has one core, the load and "
        "the upstream have another. Medians of the rounds; CPU is of all processes of a system.",
        {"system": "system"},
        {
            "requests/s": "rps",
            "CPU µs a request": "cpu_us",
            "added p50 ms": "added_p50_ms",
            "added p99 ms": "added_p99_ms",
            "added to first chunk, p50 ms": "added_ttft_p50_ms",
            "added to a chunk, p50 ms": "added_chunk_p50_ms",
            "start s": "start_s",
            "memory MB": "loaded_mb",
        },
    ),
    Table(
        "workers",
        "Two workers and one",
        "saturated throughput in interleaved rounds. The kernel gives each worker a share of a "
        "core, so that workers, parent, upstream and callers all find room on two cores. The bar "
        "is 1.6. Foreign cores are what others on the machine used meanwhile: with much of that, "
        "the ratio says little.",
        {},
        {
            "prompt bytes": "size",
            "cores a worker": "share",
            "one: requests/s": "rps_1",
            "two: requests/s": "rps_2",
            "ratio": "ratio",
            "busier worker's share": "busiest_share_2",
            "one: foreign cores": "foreign_cores_1",
            "two: foreign cores": "foreign_cores_2",
            "one: worker CPU µs": "worker_cpu_us_1",
            "two: worker CPU µs": "worker_cpu_us_2",
            "parent CPU µs": "parent_cpu_us_2",
        },
    ),
    Table(
        "soak",
        "Soak",
        "chats, completions and embeddings of 100 bytes to 100 KB, a third streamed, with callers "
        "that hang up, invalid requests and failing upstreams. Memory is resident, after the "
        "warm-up, in the middle and at the end. Sound: it changed by 5 % at most in every "
        "process, open files are as many, every request that the upstream received has its "
        "decision and outcome, and the ledger one line for each outcome.",
        {"workers": "workers"},
        {
            "requests": "sent",
            "seconds": "seconds",
            "outcomes": "outcomes",
            "ledger lines": "ledger",
            "parent MB": "processes.parent.rss_mb",
            "worker MB": "processes.worker 0.rss_mb",
            "worker MB (2nd)": "processes.worker 1.rss_mb",
            "index MB": "index_mb",
            "sound": "sound",
        },
    ),
    Table(
        "crash",
        "Kill -9 under load",
        "a worker or the parent is killed at random moments; after a parent the gateway is "
        "started again. Sound: receipts verify, nothing that the upstream received lacks a "
        "decision, the index has every line once, every restart works, nothing is left running. "
        "Decisions without an outcome are what the killed had in hand.",
        {"workers": "workers"},
        {
            "kills": "kills",
            "of them parents": "killed.parent",
            "requests": "sent",
            "reached the upstream": "arrived",
            "decisions": "decisions",
            "without outcome": "open",
            "restart s": "restart_s",
            "restart s, worst": "restart_s_max",
            "sound": "sound",
        },
    ),
    Table(
        "kills",
        "Kill -9 of model servers under load",
        "requests leave at a fixed rate, every second one a stream. `fake`: three nodes and a "
        "standby, one of the four is killed every five seconds. `llama`: three llama.cpp servers "
        "that Situs runs, one of them a standby. A stream that had begun cannot go on elsewhere "
        "and ends with an error event. Sound: no whole answer failed, no such stream looks clean.",
        {"nodes": "nodes"},
        {
            "seconds": "seconds",
            "requests/s": "rate",
            "kills": "kills",
            "whole answers": "whole",
            "failed": "whole_failed",
            "streams": "streams",
            "ended with an error": "streams_broken",
            "looked clean, were not": "streams_look_clean",
            "sound": "sound",
        },
    ),
    Table(
        "reload",
        "Reload under load",
        "policy, prices and fleet are replaced again and again while requests leave at a fixed "
        "rate and do not wait for answers. Sound: every request is answered, and every decision "
        "was made with the policy and the fleet of one generation.",
        {"workers": "workers"},
        {
            "reloads": "times",
            "requests/s": "rate",
            "answered": "answered",
            "alone: p50 ms": "alone.p50_ms",
            "p99 ms": "alone.p99_ms",
            "with reloads: p50 ms": "with_reloads.p50_ms",
            "p99 ms ": "with_reloads.p99_ms",
            "one reload ms": "reload_ms",
            "sound": "sound",
        },
    ),
    Table(
        "decision",
        "A decision",
        "analysis, policy and placement of one request of about 2 KB, with four deployments.",
        {"part": "what"},
        {"p50 µs": "p50_us", "p99 µs": "p99_us", "CPU µs": "cpu_us"},
    ),
    Table(
        "placement",
        "Placement",
        "of all deployments that policy allows, with twenty models and prices among them, or as "
        "many as deployments; two of them change their state between requests. The exponent is "
        "that of the growth of p50 from 100 deployments on.",
        {"deployments": "deployments", "models": "models"},
        {"p50 µs": "p50_us", "p99 µs": "p99_us", "exponent": "exponent"},
    ),
    Table(
        "analysis",
        "Analysis",
        "the first look at a text (findings, task, tokens), the same with names, and the encoder; "
        "“again” is a text that was seen before.",
        {"text": "workload", "tier": "tier", "pass": "pass"},
        {"p50 µs": "p50_us", "p99 µs": "p99_us", "CPU µs": "cpu_us"},
    ),
    Table(
        "cost_quality",
        "Cost at equal quality",
        "thirteen models on MMLU-Pro, five folds, at 95 % of the quality of the best model; "
        "development figures, see docs/explanation/capability-estimates.md. Saved is against two "
        "models by the same head, with its 95 % interval; curve: likewise, the mean from 92 to "
        "98 %; times: the most that cheapest_adequate costs for 1 there, at equal quality from 85 "
        "to 99 % of the best model's.",
        {"prices": "prices", "way": "way"},
        {
            "USD for 1,000": "usd_1000",
            "saved": "saved",
            "from": "saved_low",
            "to": "saved_high",
            "curve": "saved_curve",
            "times": "times",
        },
    ),
    Table(
        "cascade",
        "Cascades",
        "answers of a very small model kept at the error rate asked for, over random splits; see "
        "docs/explanation/confidence.md. Of the rows held back: the shares kept, and wrong of "
        "these; over: how often that was more than asked, chance of few tests included. Promised "
        "is that it is more in one draw of ten at most, where the truth is known: over, truly.",
        {"questions": "questions", "window": "window", "error rate": "error_rate"},
        {
            "kept": "kept",
            "wrong": "wrong",
            "over": "over",
            "nothing kept": "nothing_kept",
            "over, truly": "over_true",
        },
    ),
    Table(
        "judging",
        "Ratings by machine",
        "how far off they are, as shares of answers; development figures, see "
        "docs/explanation/capability-estimates.md. Cascades: mean confidence less the share that "
        "is right, of a very small model, over random draws; at one kind, of which the calibration "
        "knows nothing by itself, for each of six. Copies: thirteen models on MMLU-Pro, pairs at a "
        "subject; alike is how often two wrong answers are the same, which is not on record.",
        {"judge": "judge", "of": "of", "alike": "alike"},
        {"off": "off", "at most": "most", "too high": "too_high"},
    ),
    Table(
        "cascade_window",
        "Streams held back",
        "how much later the first byte of a stream goes on, for a window of so many tokens: a "
        "very small model on a processor that others used as well; medians of a few streams.",
        {"window": "window"},
        {"TTFT s": "ttft_s", "held back s": "held_s"},
    ),
    Table(
        "routes",
        "Routes",
        "found by samples, the same encoder for all ways; development rows, and a best limit was "
        "chosen on them: docs/guides/routes.md says more. Overall weighs scope as CLINC150's test "
        "does; closed is without rejection; found counts rejections in scope as wrong; rejected is "
        "out of scope. HWU64 has no rows out of scope. 0 samples: all there are.",
        {"data": "data", "samples a route": "samples", "way": "way"},
        {
            "overall": "overall",
            "closed": "closed",
            "found": "in_scope",
            "rejected": "oos_recall",
            "AUROC": "auroc",
            "CPU ms a text": "cpu_ms",
            "share that needs the encoder": "deep_share",
            "fit s": "fit_s",
            "draw": "seed",
        },
    ),
    Table(
        "sensitivity",
        "Findings",
        "labelled spans that were found; `presidio` is its analyzer with a small spaCy model. "
        "Characters without regard to type; spans of the same family that overlap. F2 weighs "
        "recall more than precision. The names tier that ships has learnt from the templates of "
        "these texts: docs/explanation/names.md has the figures of folds.",
        {"system": "system", "rows": "rows"},
        {
            "characters F2": "chars_f2",
            "typed F2": "typed_f2",
            "structured F2": "structured_f2",
            "ms for a row": "ms_row",
            "ms for 2 KB": "ms_2kb",
        },
    ),
    Table(
        "tasks",
        "Tasks, said otherwise",
        "prompts of dolly15k that the task head did not learn from, changed by rule "
        "(docs/reference/tasks.md says how). Same: the answer is that of the unchanged prompt.",
        {"change": "change"},
        {
            "prompts": "rows",
            "changed": "changed",
            "macro-F1": "macro_f1",
            "accuracy": "accuracy",
            "ECE": "ece",
            "sure": "coverage",
            "right where sure": "selective_accuracy",
            "same": "same",
            "same where it was sure": "same_where_sure",
        },
    ),
    Table(
        "policy",
        "Policy",
        "one verdict of the embedded engine, on fleets at eight loci, in time of the processor. Of "
        "a fleet that is known, deployments that are alike to the policy are judged as one: "
        "`evaluated`. `new_fleet` is the first verdict on a fleet, `remembered` one that was given "
        "before.",
        {"policy": "policy", "deployments": "deployments", "how": "how"},
        {"median µs": "median_us", "p99 µs": "p99_us"},
    ),
    Table(
        "receipts",
        "Receipts",
        "a decision and its outcome written down, with eight deployments, by `receipts.sync`. "
        "Lines are verified per second of CPU.",
        {"sync": "sync", "callers at once": "callers"},
        {
            "p50 µs": "us_p50",
            "p99 µs": "us_p99",
            "CPU µs on the request path": "cpu_us",
            "CPU µs, signing included": "cpu_us_with_signing",
            "bytes a request": "bytes_per_request",
            "lines verified a second": "verified_lines_per_s",
        },
    ),
    Table(
        "index",
        "Index",
        "following the receipts, writing the index, building it anew; CPU of a request.",
        {},
        {
            "follow µs": "follow_cpu_us",
            "write µs": "live_cpu_us",
            "rebuild µs": "rebuild_cpu_us",
            "lines rebuilt a second": "rebuilt_lines_per_s",
            "bytes a request": "bytes_per_request",
        },
    ),
    Table(
        "replay",
        "Policy replay",
        "recorded decisions over eight deployments, decided again under another policy and "
        "compared. CPU is of all processes; the bar is a million within three minutes on two cores "
        "that nobody else uses. Busy is the load of the machine then, others' included.",
        {"what": "what"},
        {
            "decisions": "decisions",
            "seconds": "seconds",
            "busy": "busy",
            "CPU s": "cpu_s",
            "CPU µs a decision": "cpu_us",
            "go elsewhere": "moved",
            "not as recorded": "not_as_recorded",
        },
    ),
    Table(
        "prefix",
        "Prompts that begin alike, on real servers",
        "three llama.cpp servers (SmolLM2 135M, one thread each) behind one gateway, interleaved "
        "rounds, medians. `shared`: more beginnings than one server has slots, fewer than all; "
        "`turns`: conversations. The bar for `shared`: twice round robin's hit rate, TTFT p50 35 % "
        "and p95 52 % lower. Busy is the load of the machine then, others' included: times are "
        "several times what they would be, hit rates are not touched.",
        {"load": "load"},
        {
            "hit rate: Situs": "situs_hit",
            "round robin": "round_robin_hit",
            "random": "random_hit",
            "TTFT p50 ms: Situs": "situs_ttft_p50_ms",
            "round robin ": "round_robin_ttft_p50_ms",
            "TTFT p95 ms: Situs": "situs_ttft_p95_ms",
            "round robin  ": "round_robin_ttft_p95_ms",
            "max/mean tokens read": "situs_max_over_mean",
            "rounds": "rounds",
            "slots a server": "slots",
            "beginnings": "prefixes",
            "busy": "busy",
        },
    ),
    Table(
        "prefix_sim",
        "Prompts that begin alike, in simulation",
        "block hits on traces of Mooncake, and the busiest node's tokens to read over the mean in "
        "windows of 60 s; see [prompts that begin alike](../explanation/prefix-affinity.md).",
        {"trace": "trace", "rule": "rule", "blocks": "blocks"},
        {
            "blocks a node": "blocks",
            "hits": "hit",
            "second half": "hit_second_half",
            "max/mean": "max_over_mean",
            "p95": "max_over_mean_p95",
        },
    ),
    Table(
        "embeddings",
        "Embeddings in process",
        "the owned ONNX model on one core; dimensions are those that are kept of 384.",
        {"workload": "workload"},
        {
            "ms a text": "ms_per_text",
            "memory MB": "rss_mb",
            "own pair, cosine": "cosine_own",
            "other pairs, cosine": "cosine_other",
            "found first": "found_first",
            "of": "pairs",
        },
    ),
)

_INTRODUCTION = """# Benchmarks

Written by `python -m bench.report` from the newest rows of `bench/results/`; do not edit. `make
bench` measures, `make soak` runs the long load. Every row says on what machine, at which commit and
how busy that was. Figures are of the machine named under each table: compare them with each other,
not with those of another machine.
"""


def newest(rows: Iterable[Row], about: Iterable[str]) -> list[Row]:
    """The last row of each subject, in the order in which subjects first came.

    Rows that lack what they are about are of an older form, and left out.
    """
    found: dict[tuple[object, ...], Row] = {}
    keys = tuple(about)
    for row in rows:
        if not set(keys) <= set(row):
            continue
        found[tuple(row.get(key) for key in keys)] = row
    return list(found.values())


def value(row: Row, path: str) -> Any:
    """What stands there; None when nothing does."""
    here: Any = row
    for name in path.split("."):
        here = here.get(name) if isinstance(here, Mapping) else None
    return here


def shown(what: object) -> str:
    """A figure as a reader wants it: three digits that count, thousands apart."""
    match what:
        case None:
            return ""
        case bool():
            return "yes" if what else "**no**"
        case list():
            return " → ".join(shown(one) for one in what)
        case int() if abs(what) >= 10_000:
            return f"{what:,}".replace(",", " ")
        case float() if abs(what) >= 100:
            return shown(round(what))
        case float():
            return f"{what:.3g}"
    return str(what)


def section(table: Table, rows: list[Row]) -> str:
    """The table of one benchmark; columns without any figure are left out."""
    columns = {head: [value(row, path) for row in rows] for head, path in table.shown.items()}
    columns = {head: cells for head, cells in columns.items() if any(c is not None for c in cells)}
    subjects = {head: [value(row, path) for row in rows] for head, path in table.about.items()}
    lines = [f"## {table.title}", "", f"`python -m bench {table.name}`: {table.says}", ""]
    heads = [*subjects, *columns]
    lines += ["| " + " | ".join(head.strip() for head in heads) + " |"]
    lines += ["|" + " --- |" * len(subjects) + " ---: |" * len(columns)]
    both = [*subjects.values(), *columns.values()]
    lines += ["| " + " | ".join(shown(cells[i]) for cells in both) + " |" for i in range(len(rows))]
    return "\n".join([*lines, "", measured(rows), ""])


def measured(rows: list[Row]) -> str:
    """When, on what, and of which commit."""
    days = sorted({str(row["at"])[:10] for row in rows})
    machines = sorted({f"{row['cpu']}, {row['cpus']} CPUs, Python {row['python']}" for row in rows})
    commits = sorted({str(row["commit"]).removesuffix("-dirty") for row in rows})
    return f"Measured {' and '.join(days)} on {'; '.join(machines)}, at {', '.join(commits)}."


def page(results: Path = RESULTS) -> str:
    parts = [_INTRODUCTION]
    for table in TABLES:
        file = results / f"{table.name}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if rows := newest((json.loads(line) for line in lines if line), table.about.values()):
            parts.append(section(table, rows))
    return "\n".join(parts)


def write() -> None:
    PAGE.write_text(page(), encoding="utf-8")


def main() -> None:
    if "--check" not in sys.argv[1:]:
        write()
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE.name} is not current; python -m bench.report")


if __name__ == "__main__":
    main()
