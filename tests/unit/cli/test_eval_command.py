"""`situs eval`, as a process: one object on standard output, the rest on standard error."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CARD = "4111 1111 " + "1111 1111"


def situs(tmp_path, *args, given=b""):
    done = subprocess.run(
        [sys.executable, "-m", "situs.cli.main", *args],
        cwd=tmp_path,
        env={**os.environ, "SITUS_DATA": str(tmp_path / "data"), "COLUMNS": "100"},
        input=given,
        capture_output=True,
    )
    said = (done.stdout.decode(), done.stderr.decode())
    return subprocess.CompletedProcess(done.args, done.returncode, *said)


def written(tmp_path, name, *rows):
    path = tmp_path / name
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return str(path)


def found(text, entity, kind):
    start = text.index(entity)
    return {"text": text, "spans": [{"start": start, "end": start + len(entity), "type": kind}]}


def test_sensitivity_prints_one_object_and_nothing_else(tmp_path):
    rows = [
        found(f"my card is {CARD}, thanks", CARD, "CREDIT_CARD"),
        found("a kind that nobody knows", "kind", "NOBODY_KNOWS"),
        {"text": "nothing at all", "spans": [], "more": 1},
    ]
    done = situs(tmp_path, "eval", "sensitivity", "--json", "--data", written(tmp_path, "f", *rows))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert said["rows"] == 3
    assert said["structured"]["recall"] == said["structured"]["precision"] == 1
    assert said["unmapped"] == {"NOBODY_KNOWS": 1}
    assert {len(said[name]) for name in ("digest", "config")} == {64}


def test_a_figure_that_does_not_apply_is_null_and_the_exit_is_0(tmp_path):
    rows = [found("nobody finds this", "this", "IBAN_CODE")]
    done = situs(tmp_path, "eval", "sensitivity", "--json", "--data", written(tmp_path, "f", *rows))
    assert done.returncode == 0, done.stderr
    structured = json.loads(done.stdout)["structured"]
    assert (structured["recall"], structured["precision"]) == (0, None)


def test_the_digest_is_that_of_the_configuration(tmp_path):
    file = written(tmp_path, "f", {"text": "nothing", "spans": []})

    def digest():
        done = situs(tmp_path, "eval", "sensitivity", "--json", "--data", file)
        return json.loads(done.stdout)["digest"]

    first = digest()
    (tmp_path / "situs.yaml").write_text(
        "version: 1\n"
        "loci: {rack: {kind: on_prem, jurisdiction: DE, owned: false}}\n"
        "models: {m: {capability: small, context_tokens: 4096}}\n"
        "deployments: {near: {model: m, locus: rack, endpoint: {url: http://127.0.0.1:9/v1}}}\n"
    )
    assert first == first.lower() != digest()


def test_people_get_a_table(tmp_path):
    rows = [found(f"my card is {CARD}", CARD, "CREDIT_CARD")]
    done = situs(tmp_path, "eval", "sensitivity", "--data", written(tmp_path, "f", *rows))
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["structured", "recall", "1.0000"] in lines
    assert any(line[:2] == ["CREDIT_CARD", "card"] for line in lines)


@pytest.mark.parametrize(
    ("subject", "options"),
    [
        ("routes", ("--train", "--test")),
        ("tasks", ("--data",)),
        ("sensitivity", ("--data",)),
        ("capability", ("--data",)),
        ("tokens", ("--data",)),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path, subject, options):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "the secret text"\n')
    args = [part for option in options for part in (option, str(bad))]
    done = situs(tmp_path, "eval", subject, "--json", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{bad}:1: is not JSON" in done.stderr
    assert "secret text" not in done.stderr
    missing = situs(tmp_path, "eval", subject)
    assert missing.returncode == 2
    assert "Missing option" in missing.stderr


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("subject", "row"),
    [
        ("tasks", {"text": "the secret text", "label": "no task"}),
        ("tasks", {"text": "the secret text", "label": None}),
        ("sensitivity", {"text": "secret", "spans": [{"start": 0, "end": 9, "type": "PERSON"}]}),
    ],
)
def test_what_a_row_says_wrongly_is_refused_with_its_line(tmp_path, subject, row, pack):
    good = {"text": "hello", "label": "chat", "spans": []}
    bad = tmp_path / "bad"
    bad.write_bytes(pack("\n".join([json.dumps(good), "", json.dumps(row)]).encode()))
    done = situs(tmp_path, "eval", subject, "--json", "--data", str(bad))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{bad}:3: " in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_as_a_file_is(tmp_path, pack):
    row = json.dumps(found(f"my card is {CARD}", CARD, "CREDIT_CARD")).encode()
    done = situs(
        *(tmp_path, "eval", "sensitivity", "--json", "--data", "/dev/stdin"),
        given=pack(row + b"\n"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 1


CONFIG = """\
version: 1
loci: {rack: {kind: on_prem, jurisdiction: DE, owned: false}}
models: {m: {capability: small, context_tokens: 4096}}
deployments: {near: {model: m, locus: rack, endpoint: {url: http://127.0.0.1:9/v1}}}
analysis: {deep: false}
"""
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "evaluate.md"


@pytest.mark.parametrize(
    ("subject", "row", "said"),
    [
        ("tasks", {"text": "hello", "label": "chat"}, "the head task does not answer"),
        ("tokens", {"text": "a", "family": "gpt2", "tokens": 1}, "the head tokens does not answer"),
    ],
)
def test_where_the_configuration_leaves_a_head_out_the_setting_is_named(
    tmp_path, subject, row, said
):
    (tmp_path / "situs.yaml").write_text(CONFIG.replace("deep: false", "learned: false"))
    done = situs(tmp_path, "eval", subject, "--json", "--data", written(tmp_path, "f", row))
    assert (done.returncode, done.stdout) == (2, "")
    assert "analysis.learned: false" in done.stderr
    assert said in done.stderr


def test_the_files_on_the_page_are_routed(tmp_path):
    (tmp_path / "situs.yaml").write_text(CONFIG)
    block = re.search(
        r"```sh\n(cat > train.*?)^situs eval", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    assert block is not None
    subprocess.run(["sh", "-c", block[1]], cwd=tmp_path, check=True)
    args = ("eval", "routes", "--json", "--train", "train.jsonl", "--test", "test.jsonl")
    done = situs(tmp_path, *args)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], said["deep_share"]) == (3, 0)
    assert 0 <= said["overall_accuracy"] <= 1
    refused = situs(tmp_path, *args, "--tier", "deep")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "needs an encoder" in refused.stderr


def test_a_test_file_all_in_scope_has_no_figures_of_what_is_not(tmp_path):
    (tmp_path / "situs.yaml").write_text(CONFIG)
    rows = [{"text": f"{word} {n}", "intent": word} for word in ("alpha", "beta") for n in "xyz"]
    file = written(tmp_path, "f", *rows)
    done = situs(tmp_path, "eval", "routes", "--json", "--train", file, "--test", file)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["oos_recall"], said["auroc"]) == (None, None)
    assert said["closed_set_accuracy"] == 1


def test_capability_learns_from_the_train_file_alone(tmp_path):
    rows = [
        {
            "prompt": f"{text}, number {n}",
            "strong_correct": True,
            "weak_correct": text == "say hello",
        }
        for n in range(60)
        for text in ("say hello", "prove the lemma")
    ]
    train, test = (written(tmp_path, name, *part) for name, part in (("a", rows[:80]), ("b", rows)))
    done = situs(tmp_path, "eval", "capability", "--json", "--data", test, "--train", train)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["apgr"] > 0.7
    assert said["reference"]["random"] == 0.5
    assert said["reference"]["knn"] is not None


def test_the_heads_of_the_package_answer(tmp_path):
    """With the fast tier alone: whether the encoder can be loaded is tested elsewhere."""
    (tmp_path / "situs.yaml").write_text(CONFIG)

    def said(subject, *rows):
        file = written(tmp_path, subject, *rows)
        done = situs(tmp_path, "eval", subject, "--json", "--data", file)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    tasks = said(
        "tasks",
        {"text": "Translate this sentence into German: the sky is blue.", "label": "translation"},
        {"text": "Write a Python function that sorts a list of numbers.", "label": "code"},
    )
    assert (tasks["accuracy"], tasks["deep_share"]) == (1, 0)
    results = {"prompt": "How many apples are left?", "strong_correct": 1, "weak_correct": 0.5}
    capability = said("capability", results)
    assert (capability["apgr"], capability["reference"]["knn"]) == (0.5, None)
    tokens = said("tokens", {"text": "several words of text", "family": "gpt2", "tokens": 4})
    assert tokens["mean_abs_pct_error"] < 0.5
    assert set(tokens["artefacts"]) >= {"capability", "task", "tokens"}
