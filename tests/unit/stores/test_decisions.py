import asyncio
import json
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from itertools import islice

import pytest
from bench.receipts import decided, outcome
from click.testing import CliRunner
from msgspec.structs import replace
from tests.unit.stores.test_verify import edit, rewrite
from tests.unit.stores.writing import decide, files, serve, several_segments, writing

from situs.cli.main import cli
from situs.core.record import Usage
from situs.errors import OperatorError
from situs.stores.database import INDEX_FILE
from situs.stores.decisions import Filters, find, follow, read_line, recent, tail
from situs.stores.upkeep import rebuild


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Two chains: one of several segments, one with a decision that has no outcome."""
    data = tmp_path_factory.mktemp("kept") / "data"
    count = several_segments(data)
    with writing(data) as writer:
        ref = decide(writer, count)
    return data, count, str(ref)


def test_tail_gives_the_newest_across_segments_and_chains(kept):
    data, count, _ = kept
    entries = tail(data, count + 1)
    assert [e.id for e in entries] == [f"req-{n:09d}" for n in range(count + 1)]
    assert entries.pop().outcome is None
    assert all(e.outcome and e.outcome["id"] == e.id for e in entries)
    assert [e.id for e in tail(data, 2)] == [f"req-{n:09d}" for n in (count - 1, count)]


def test_find_by_id_and_by_receipt_give_the_same(kept):
    data, count, ref = kept
    entry = find(data, f"req-{count:09d}")
    assert entry is not None
    assert entry == find(data, ref)
    assert entry.ref == ref
    assert entry.deployment("d0")["locus"]["jurisdiction"] == "DE"
    earlier = find(data, "req-000000003")
    assert earlier is not None
    assert earlier.outcome is not None
    assert earlier.outcome["status"] == 200


@pytest.mark.parametrize("wanted", ["nobody", "nochain:3", "../keys:1", ":", "a:b"])
def test_what_is_not_there_is_not_found(kept, wanted):
    assert find(kept[0], wanted) is None


def test_any_line_can_be_read_by_its_receipt(kept):
    data, _, _ = kept
    for path in files(data):
        for raw in path.read_bytes().split(b"\n")[:-1:7]:
            line = json.loads(raw)
            assert read_line(data, f"{line['chain']}:{line['seq']}") == line


def test_follow_tells_of_a_decision_once_it_ends(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        decide(writer, 4)
        coming = follow(tmp_path, 0.01)
        follow_on = follow(tmp_path, 0.01, Filters(status="5xx"))
        decide(writer, 2)
        later = threading.Timer(0.05, serve, (writer, 3))
        later.start()
        [entry] = islice(coming, 1)
        later.join()
        writer.ended(outcome(4))
        [earlier] = islice(coming, 1)
        serve(writer, 5)
        writer.ended(replace(outcome(2), status=500))
        [narrowed] = islice(follow_on, 1)
    assert entry.id == "req-000000003"
    assert entry.outcome is not None
    assert (earlier.id, earlier.outcome and earlier.outcome["status"]) == ("req-000000004", 200)
    assert narrowed.id == "req-000000002"


FILTERS = [
    Filters(),
    Filters(status="200"),
    Filters(status="2xx"),
    Filters(status="x00"),
    Filters(status="20"),
    Filters(status="403"),
    Filters(deployment="d0"),
    Filters(deployment="d1"),
    Filters(label="confidential"),
    Filters(label="public"),
    Filters(tenant="default"),
    Filters(tenant="other"),
    Filters(since=1.75e9 + 5 / 977),
    Filters(status="2xx", deployment="d0", label="confidential", since=1.75e9 + 3.5 / 977),
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_the_index_and_the_segments_let_the_same_through(kept, tmp_path, filters):
    data, count, _ = kept
    by_segments = tail(data, count + 1, filters)
    shutil.copytree(data, tmp_path / "data")
    rebuild(tmp_path / "data")
    assert tail(tmp_path / "data", count + 1, filters) == by_segments
    assert tail(tmp_path / "data", 3, filters) == by_segments[-3:]
    rows = recent(tmp_path / "data" / INDEX_FILE, filters, count + 1)
    assert [row.id for row in rows[::-1]] == [entry.id for entry in by_segments]


def test_filters_tell_decisions_apart(kept):
    data, count, _ = kept
    found = [len(tail(data, count + 1, filters)) for filters in FILTERS]
    assert found == [
        *(count + 1, count, count, count, 0, 0, count, 0),
        *(count + 1, 0, count + 1, 0, count + 1 - 5, count - 4),
    ]


def test_with_an_index_that_lags_all_is_still_found(kept, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(kept[0], data)
    rebuild(data)
    with writing(data) as writer:
        serve(writer, 7_000)
    assert [entry.id for entry in tail(data, 1)] == ["req-000007000"]
    found = find(data, "req-000007000")
    assert found is not None
    assert found.outcome is not None


@pytest.mark.parametrize(
    "elsewhere",
    [
        '"offset" = "offset" + 1',
        '"offset" = (SELECT max("offset") FROM decisions)',
        '"offset" = (SELECT min("offset") FROM decisions), over_chain = NULL',
        "over_first = 999",
    ],
)
def test_an_index_that_points_elsewhere_is_not_believed(kept, tmp_path, elsewhere):
    data, _, _ = kept
    shutil.copytree(data, tmp_path / "data")
    rebuild(tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / INDEX_FILE)) as db:
        db.execute(f"UPDATE decisions SET {elsewhere}")  # noqa: S608
        db.commit()
    assert tail(tmp_path / "data", 5) == tail(data, 5)
    assert find(tmp_path / "data", "req-000000003") == find(data, "req-000000003")


def test_the_index_answers_without_the_segments_being_searched(kept, tmp_path):
    """Everything that the index does not point at may be nonsense."""
    data = tmp_path / "data"
    shutil.copytree(kept[0], data)
    expected = find(data, "req-000000003")
    rebuild(data)
    assert expected is not None
    for path in files(data):
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines):
            if b"req-000000003" not in line and b'"type":"fleet"' not in line:
                lines[number] = b"?" * len(line)
        path.write_bytes(b"\n".join(lines))
    assert find(data, "req-000000003") == expected


def run(command, *args):
    return CliRunner().invoke(cli, [command, *map(str, args)], catch_exceptions=False)


def test_the_list_can_be_narrowed(kept):
    data, _, _ = kept
    shown = run("decisions", "tail", "--status", "2xx", "--deployment", "d0", "--data", data)
    assert len(shown.output.splitlines()) == 1 + 20
    assert "no outcome" not in shown.output
    none = run("decisions", "tail", "--tenant", "nobody", "--data", data)
    assert none.output == "no such decisions\n"
    for option in (("--status", "fine"), ("--label", "secret"), ("--since", "once")):
        assert run("decisions", "tail", *option, "--data", data).exit_code == 2
    assert run("decisions", "tail", "--since", "1d", "--data", data).output == none.output


def test_the_table_says_where_a_request_went(kept):
    data, count, _ = kept
    shown = run("decisions", "tail", "-n", 2, "--data", data)
    assert shown.exit_code == 0
    head, ended, running = shown.output.splitlines()
    assert head.split("  ")[0] == "time"
    assert re.fullmatch(
        rf"\d\d-\d\d \d\d:\d\d:\d\d  req-{count - 1:09d}  confidential  d0 \(DE\)   complete 200",
        ended,
    )
    assert running.endswith("d0 (DE)?  no outcome")
    assert "objective" not in head


def test_the_table_fits_into_a_hundred_columns_with_ids_of_the_gateway(tmp_path):
    with writing(tmp_path) as writer:
        long = "req_" + "0" * 27
        one = decided(1, b"x")
        renamed = replace(one, decision=replace(one.decision, id=long))
        asyncio.run(writer.decided(renamed))
    lines = run("decisions", "tail", "--data", tmp_path).output.splitlines()
    assert long in lines[-1]
    assert max(map(len, lines)) <= 100


def test_the_wide_table_says_why(kept):
    data, count, _ = kept
    shown = run("decisions", "tail", "-n", 2, "--wide", "--data", data)
    ended, running = (line for line in shown.output.splitlines() if "req-" in line)
    assert f"req-{count - 1:09d}" in ended
    for word in ("confidential (iban)", "cheapest_adequate", "d0 @ rack-1 (DE)", "complete 200"):
        assert word in ended
    assert "no outcome" in running


def test_a_decision_is_shown_whole(kept):
    data, _, _ = kept
    shown = run("decisions", "show", "req-000000003", "--data", data).output
    for word in ("ranked", "excluded", "not_owned", "attempt", "127.0.0.1:8080", "iban"):
        assert word in shown
    as_json = json.loads(run("decisions", "show", "req-000000003", "--data", data, "--json").output)
    assert as_json["decision"]["id"] == "req-000000003"


@pytest.mark.parametrize("counted", [False, True])
def test_what_was_used_and_paid_is_shown_of_each_attempt_and_in_all(tmp_path, counted):
    with writing(tmp_path) as writer:
        ended = outcome(3)
        used = Usage(120, 45, counted=counted)
        tried = replace(ended.attempts[-1], usage=used, cost=0.0000125)
        paid = replace(
            ended, attempts=(tried,), usage=used, cost=0.0000125, saved=-3.3e-12, currency="USD"
        )
        decide(writer, 3)
        writer.ended(paid)
    rebuild(tmp_path)
    shown = run("decisions", "show", "req-000000003", "--data", tmp_path).output
    assert " ".join(shown.split()).count("0.0000125 USD") == 2
    assert shown.count("120 + 45, counted") == (2 if counted else 0)
    assert shown.count("120 + 45") == 2
    assert "saved 0 USD" in " ".join(shown.split())


def test_verify_exits_with_one_only_when_something_is_wrong(kept, tmp_path):
    data, _, _ = kept
    exported = run("receipts", "export", tmp_path / "copy", "--data", data)
    assert exported.exit_code == 0
    assert not list((tmp_path / "copy").rglob("*.salts"))
    assert not list((tmp_path / "copy").rglob("*.key"))
    good = run("receipts", "verify", "--data", tmp_path / "copy")
    assert good.exit_code == 0
    assert "sound" in good.output.splitlines()[-1]
    rewrite(max(files(tmp_path / "copy"), key=lambda path: path.stat().st_size), edit)
    bad = run("receipts", "verify", "--data", tmp_path / "copy", "--json")
    assert bad.exit_code == 1
    assert json.loads(bad.output)["problems"]


@pytest.mark.parametrize("there", [(), ("keys",), ("receipts",), ("receipts/0123456789ab",)])
def test_nothing_is_never_sound(tmp_path, there):
    data = tmp_path / "data"
    for folder in (".", *there):
        (data / folder).mkdir(parents=True, exist_ok=True)
    done = run("receipts", "verify", "--data", data)
    assert done.exit_code == 1
    assert f"nothing to verify: {data / 'receipts'}" in done.output
    told = run("receipts", "verify", "--data", data, "--json")
    assert told.exit_code == 1
    assert [p["code"] for p in json.loads(told.output)["problems"]] == ["nothing_to_verify"]


@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_data_directory_that_does_not_exist_is_an_error(tmp_path, command):
    target = [tmp_path / "copy"] if command == "export" else []
    with pytest.raises(OperatorError, match="no data directory"):
        run("receipts", command, *target, "--data", tmp_path / "absent")
    assert not (tmp_path / "copy").exists()


def test_export_never_writes_into_the_data_directory(kept):
    data, _, _ = kept
    for target in (data, data / "copy", data / "x" / ".." / "receipts"):
        with pytest.raises(OperatorError, match="inside the data directory"):
            run("receipts", "export", target, "--data", data)


def test_export_writes_over_a_copy_only_by_force(kept, tmp_path):
    data, _, _ = kept
    command = ("receipts", "export", tmp_path / "copy", "--data", data)
    run(*command)
    path = max(files(tmp_path / "copy"), key=lambda path: path.stat().st_size)
    before = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(OperatorError, match="already"):
        run(*command)
    assert path.read_bytes() == b""
    assert run(*command, "--force").exit_code == 0
    assert path.read_bytes() == before


def test_no_line_ends_in_blanks(kept):
    data, _, _ = kept
    for command in (("decisions", "tail"), ("decisions", "tail", "-w"), ("receipts", "verify")):
        lines = run(*command, "--data", data).output.splitlines()
        assert lines
        assert [line for line in lines if line != line.rstrip()] == []
    shown = run("decisions", "show", "req-000000003", "--data", data).output.splitlines()
    assert [line for line in shown if line != line.rstrip()] == []


def test_one_is_not_many(tmp_path):
    data = tmp_path / "data"
    with writing(data) as writer:
        decide(writer, 1)
    verified = run("receipts", "verify", "--data", data).output
    assert "1 decision, 0 outcomes, 1 decision without an outcome" in verified
    exported = run("receipts", "export", tmp_path / "copy", "--data", data).output
    assert exported.startswith("1 chain copied to ")


def test_export_since_leaves_older_chains_out(kept, tmp_path):
    data, _, _ = kept
    run("receipts", "export", tmp_path / "none", "--data", data, "--since", "2100-01-01")
    assert not list((tmp_path / "none").rglob("*.jsonl"))


def test_one_line_is_shown(kept):
    data, _, ref = kept
    assert json.loads(run("receipts", "show", ref, "--data", data).output)["type"] == "decision"
