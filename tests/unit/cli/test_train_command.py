"""`situs train`, on real files: what is learned, kept, and refused."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from bench.receipts import decided, outcome
from click.testing import CliRunner
from msgspec.structs import replace
from tests.unit.stores.writing import writing

from situs.analysis.capability import capability_head
from situs.analysis.effort import BITS, length_head
from situs.analysis.features import see
from situs.analysis.task_head import GRAM_BITS, MARK_BITS
from situs.cli.train import train
from situs.config.artefacts import check_artefacts
from situs.config.load import load, parse
from situs.core.record import Usage
from situs.errors import ConfigError, OperatorError
from situs.learning.artefacts import Card, save
from situs.learning.artefacts import load as load_artefact
from situs.learning.versions import new_folder
from situs.stores.upkeep import rebuild

TASKS = ["code", "translation", "summarisation", "chat"]
MODEL = "{0}: {{capability: small, context_tokens: 4096}}"
SERVED = "near-{0}: {{model: {0}, locus: rack, endpoint: {{url: http://127.0.0.1:9/v1}}}}"
NAMES = ("m", "big", "little")
CONFIG = f"""\
version: 1
loci: {{rack: {{kind: on_prem, jurisdiction: DE, owned: false}}}}
models: {{{", ".join(map(MODEL.format, NAMES))}}}
deployments: {{{", ".join(map(SERVED.format, NAMES))}}}
analysis:
  artefacts: {{task: blank, length: %s}}
"""
SAID = {
    "code": "write a python function number {} please",
    "translation": "translate sentence {} into german",
    "summarisation": "sum up chapter {} of the report",
    "chat": "hello, how is day {} going",
}


def blank(data):
    """Heads that know nothing."""
    grams = np.zeros((1 << GRAM_BITS, len(TASKS) + 1), np.int8)
    grams[:, 0] = 33
    arrays = {
        "grams": grams,
        "marks": np.zeros((1 << MARK_BITS, len(TASKS) + 1), np.int8),
        "scale": np.array([0.03, 0.01], np.float32),
        "bias": np.zeros(len(TASKS), np.float32),
    }
    settings = {"classes": TASKS, "temperature": 1.0, "threshold": 0.5}
    folder = new_folder(data, "task", "blank")
    save(folder, Card(1, "task", "blank", "Blank.", (), settings, {}, {}), arrays)
    arrays = {
        "table": np.zeros((1 << BITS, 1), np.int8),
        "scale": np.ones(1, np.float32),
        "base": np.array([[5, 0, 0], [5, 0, 0]], np.float32),
        "spread": np.array([[-1, 1], [-1, 1]], np.float32),
    }
    folder = new_folder(data, "length", "blank")
    settings = {"tasks": ["code"], "weights": {"code": 1.0}}
    save(folder, Card(1, "length", "blank", "Blank.", (), settings, {}, {}), arrays)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blank(tmp_path)
    (tmp_path / "situs.yaml").write_text(CONFIG % "blank")
    rows = [{"text": SAID[TASKS[n % 4]].format(n), "label": TASKS[n % 4]} for n in range(160)]
    written(tmp_path, "tasks.jsonl", rows)
    return tmp_path


def written(place, name, rows):
    (place / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(place, *args):
    return CliRunner().invoke(train, [*args, "--data", str(place)], catch_exceptions=False)


def test_tasks_are_learned_and_compared_on_rows_held_back(place):
    said = json.loads(run(place, "tasks", "tasks.jsonl", "--json").stdout)
    assert (said["head"], said["version"], said["base"]) == ("task", "trained-1", "blank")
    assert said["learnt"] + said["held_back"] == 160
    figures = {one["name"]: one for one in said["figures"]}
    assert figures["accuracy"]["before"] < 0.5 < 0.95 < figures["accuracy"]["after"]
    assert figures["macro_f1"]["difference"][0] > 0
    kept = load_artefact(place / "artefacts" / "task" / "trained-1")
    assert kept.digest == said["digest"]
    assert kept.card.sources[-1].rows == said["learnt"]
    assert kept.card.metrics["figures"] == said["figures"]


def test_the_same_rows_give_the_same_arrays_in_a_version_of_its_own(place):
    run(place, "tasks", "tasks.jsonl")
    named = run(place, "tasks", "tasks.jsonl", "--version", "mine", "--json")
    assert json.loads(named.stdout)["version"] == "mine"
    first, second = (load_artefact(place / "artefacts/task" / v) for v in ("trained-1", "mine"))
    assert first.card.files == second.card.files
    with pytest.raises(OperatorError, match=r"version mine .* already"):
        run(place, "tasks", "tasks.jsonl", "--version", "mine")


def test_what_is_printed_activates_it_and_says_the_way_back(place):
    said = run(place, "tasks", "tasks.jsonl").stdout
    line = next(line for line in said.splitlines() if line.startswith("    task: trained-1@"))
    assert "To go back, write task: blank again." in said
    file = place / "situs.yaml"
    file.write_text((CONFIG % "blank").replace("task: blank", line.strip()))
    check_artefacts(load(file), place, file)
    again = json.loads(run(place, "tasks", "tasks.jsonl", "--json").stdout)
    assert (again["base"], again["version"]) == ("trained-1", "trained-2")


def test_labels_are_mapped(place):
    rows = [json.loads(line) for line in (place / "tasks.jsonl").read_text().splitlines()]
    written(place, "own.jsonl", [{**row, "label": f"my {row['label']}"} for row in rows])
    (place / "map.json").write_text(json.dumps({f"my {task}": task for task in TASKS}))
    done = run(place, "tasks", "own.jsonl", "--map", "map.json", "--json")
    assert json.loads(done.stdout)["figures"][1]["after"] > 0.95
    with pytest.raises(ConfigError, match=r"own\.jsonl:1: its label is no task"):
        run(place, "tasks", "own.jsonl")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a prompt", "code")] * 10, "gives 10 rows to learn from; at least 50"),
        ([("a prompt", "code")] * 100, "nearly all texts are the same"),
        ([(f"prompt {n}", "code") for n in range(100)], "have the same label"),
        ([(f"prompt {n}", "cooking") for n in range(100)], ":1: its label is no task"),
        ([(f"prompt {n}", None) for n in range(100)], ":1: its label is no task"),
    ],
)
def test_rows_that_teach_nothing_are_refused_and_leave_nothing(place, rows, said):
    written(place, "bad.jsonl", [{"text": text, "label": label} for text, label in rows])
    with pytest.raises(ConfigError, match=said):
        run(place, "tasks", "bad.jsonl")
    assert [one.name for one in (place / "artefacts/task").iterdir()] == ["blank"]


def test_lengths_are_learned_from_a_log_and_what_is_of_no_use_is_counted(place):
    rows = [
        {
            "messages": [{"role": "user", "content": SAID["code"].format(n)}],
            "usage": {"completion_tokens": 20 + n % 7},
        }
        for n in range(200)
    ]
    written(place, "log.jsonl", [*rows, {"messages": []}, {**rows[0], "finish_reason": "length"}])
    done = run(place, "length", "log.jsonl", "--json")
    assert done.stderr.startswith("2 lines left out")
    figures = {one["name"]: one for one in json.loads(done.stdout)["figures"]}
    assert figures["coverage"]["before"] == 0
    assert figures["coverage"]["after"] > 0.6
    assert figures["median_abs_pct_error"]["after"] < 0.15


def test_lengths_of_served_requests_are_learned_by_task(place):
    with writing(place) as writer:
        for number in range(120):
            asyncio.run(writer.decided(decided(number, b"x")))
            writer.ended(replace(outcome(number), usage=Usage(10, 40 + number % 9)))
    rebuild(place)
    figures = json.loads(run(place, "length", "--ledger", "--json").stdout)["figures"]
    coverage = next(one for one in figures if one["name"] == "coverage")
    assert coverage["before"] == 0
    assert coverage["after"] > 0.6
    kept = load_artefact(place / "artefacts" / "length" / "trained-1")
    span = length_head(kept.arrays, kept.card.settings)(see("whatever it says"), "chat")
    assert 40 <= span.low < span.expected < span.high <= 48.1


def test_lengths_come_from_the_ledger_where_asked_and_from_nowhere_else(place):
    with pytest.raises(OperatorError, match=r"index\.db"):
        run(place, "length", "--ledger")
    for args in ((), ("log.jsonl", "--ledger")):
        assert "one of them" in run(place, "length", *args).stderr


def test_a_head_that_the_configuration_names_and_that_is_not_there_is_refused(place):
    (place / "situs.yaml").write_text(CONFIG % "gone")
    with pytest.raises(ConfigError, match=r"situs\.yaml:6: analysis\.artefacts\.length: "):
        run(place, "tasks", "tasks.jsonl")


def test_samples_of_routes_are_chosen_and_what_else_a_route_has_stays(place):
    rows = [
        {"text": f"{word} number {n} of the list", "intent": word}
        for n in range(60)
        for word in ("billing", "support")
    ]
    written(place, "routes.jsonl", [*rows, *({"text": f"oos {n}", "label": "oos"} for n in "abc")])
    configured = (CONFIG % "blank") + (
        "routes:\n"
        "  billing: {samples: [pay the bill], deployments: [near-m]}\n"
        "  other: {rules: [{exact: hello}]}\n"
    )
    (place / "situs.yaml").write_text(configured)
    done = run(place, "routes", "routes.jsonl", "--out", "routes.yaml", "--samples", "5")
    assert "2 routes in routes.yaml" in done.stdout
    assert any(line.startswith("in_scope_accuracy") for line in done.stdout.splitlines())
    section = (place / "routes.yaml").read_text()
    routes = parse((CONFIG % "blank") + section).routes
    assert list(routes) == ["billing", "support", "other"]
    assert len(routes["billing"].samples) == len(routes["support"].samples) == 5
    assert set(routes["billing"].samples) <= {row["text"] for row in rows}
    assert routes["billing"].deployments == ("near-m",)
    assert routes["other"].rules[0].exact == "hello"
    again = run(place, "routes", "routes.jsonl", "--out", "routes.yaml")
    assert again.exit_code == 2
    assert "nothing is written over" in again.stderr
    assert (place / "routes.yaml").read_text() == section


@pytest.mark.parametrize(
    ("label", "said"), [("what?", r":1: its label cannot be"), ("one", "are of one route")]
)
def test_rows_that_make_no_routes_are_refused(place, label, said):
    written(place, "bad.jsonl", [{"text": f"text {n}", "label": label} for n in range(80)])
    with pytest.raises(ConfigError, match=said):
        run(place, "routes", "bad.jsonl", "--out", "routes.yaml")
    assert not (place / "routes.yaml").exists()


def test_capability_is_learned_from_results(place):
    hard = ["integral of x squared", "prove the lemma", "eigenvalues of the matrix"]
    easy = ["say hello", "name a colour", "what is the capital"]
    rows = [
        {"prompt": f"{text}, number {n}", "model": model, "correct": model == "big" or text in easy}
        for n in range(40)
        for text in (*hard, *easy)
        for model in ("big", "little")
    ]
    written(place, "results.jsonl", rows)
    said = json.loads(run(place, "capability", "results.jsonl", "--json").stdout)
    assert (said["head"], said["version"]) == ("capability", "trained-1")
    assert said["learnt"] + said["held_back"] == len(rows)
    figures = {one["name"]: one for one in said["figures"]}
    assert figures["auroc"]["after"] > 0.95
    kept = load_artefact(place / "artefacts" / "capability" / "trained-1")
    head = capability_head(kept.arrays, kept.card.settings)
    chances = [head(see(f"{text}, number 99"), "little") for text in ("prove the lemma", easy[0])]
    assert chances[0].probability < 0.5 < chances[1].probability


@pytest.mark.parametrize("at", range(0, 90, 9))
def test_a_score_beyond_one_is_refused_wherever_it_stands(place, at):
    rows = [{"prompt": f"prompt {n}", "model": "m", "correct": n % 2} for n in range(90)]
    rows[at]["correct"] = 1.5
    written(place, "scores.jsonl", rows)
    with pytest.raises(ConfigError, match=rf"scores\.jsonl:{at + 1}: correct"):
        run(place, "capability", "scores.jsonl")


def test_results_of_models_that_are_not_configured_are_refused(place):
    rows = [{"prompt": f"prompt {n}", "model": "m", "correct": n % 2} for n in range(90)]
    written(place, "results.jsonl", [*rows, {"prompt": "x", "model": "other", "correct": True}])
    with pytest.raises(ConfigError, match=r"results\.jsonl:91: the model 'other'") as refused:
        run(place, "capability", "results.jsonl")
    assert "under `models`" in refused.value.advice
    assert "(big, little, m)" in refused.value.advice


def test_too_few_results_are_refused(place):
    written(place, "few.jsonl", [{"prompt": "a", "model": "m", "correct": True}] * 9)
    with pytest.raises(ConfigError, match="gives 9 rows"):
        run(place, "capability", "few.jsonl")
    assert not (place / "artefacts" / "capability").exists()
