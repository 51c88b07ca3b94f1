"""`situs receipts`: retire, erase, export and verify, as a person calls them."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from tests.unit.stores.writing import files, report, serve, until, witnessing, writing

from situs.cli.main import cli
from situs.errors import AnchorError, DataDirectoryInUse, OperatorError, SegmentError
from situs.stores.layout import chains, receipts_dir, roots
from situs.stores.lock import DataLock
from situs.stores.upkeep import rebuild


def situs(*arguments, data, code=0):
    called = CliRunner().invoke(cli, ["receipts", *arguments, "--data", str(data)])
    if called.exception is not None and not isinstance(called.exception, SystemExit):
        raise called.exception
    assert called.exit_code == code, called.output
    return called.stdout


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    with witnessing(folder), writing(folder) as writer:
        for number in range(3):
            serve(writer, number)
    return folder


def test_retire_waits_for_the_index_then_leaves_roots_that_verify(data):
    before = "2100-01-01"
    assert "stays: not_read" in situs("retire", "--before", before, "--yes", data=data, code=1)
    rebuild(data)
    trial = json.loads(situs("retire", "--before", before, "--dry-run", "--json", data=data))
    assert len(files(data)) == len(trial) == 2
    assert "2 segments retired" in situs("retire", "--before", before, "--yes", data=data)
    assert files(data) == []
    shown = situs("verify", data=data)
    assert "sound" in shown
    assert "retired" in shown


@pytest.mark.parametrize("before", ["2100-01-01", "0d"])
def test_retire_takes_what_is_young_only_when_it_is_said_twice(data, before):
    rebuild(data)
    with pytest.raises(OperatorError, match=r"2 segments with \d+ lines would go, the last of 20"):
        situs("retire", "--before", before, data=data)
    assert len(files(data)) == 2


@pytest.mark.parametrize("before", ["1m", "48h", "90s"])
def test_retire_counts_in_days(data, before):
    situs("retire", "--before", before, "--yes", data=data, code=2)
    assert len(files(data)) == 2


def test_retire_can_be_tried_while_a_gateway_runs(data):
    rebuild(data)
    with DataLock(data):
        shown = situs("retire", "--before", "2100-01-01", "--dry-run", data=data)
    assert "2 segments would be retired" in shown
    assert len(files(data)) == 2


def test_retire_keeps_what_is_young(data):
    rebuild(data)
    assert "0 segments retired" in situs("retire", "--before", "90d", data=data)
    assert len(files(data)) == 2


def test_retire_says_what_it_will_not_sign(data):
    rebuild(data)
    path = next(path for path in files(data) if b'"type":"decision"' in path.read_bytes())
    path.write_bytes(path.read_bytes().replace(b'"label":"confidential"', b'"label":"public"', 1))
    shown = situs("retire", "--before", "2100-01-01", "--yes", data=data, code=1)
    assert "stays: " in shown
    assert path.exists()


def test_retire_refuses_while_a_gateway_runs(data):
    with DataLock(data), pytest.raises(DataDirectoryInUse):
        situs("retire", "--before", "90d", data=data)


def test_erase_takes_an_id_or_a_reference_and_can_be_repeated(data):
    assert "is erased" in situs("erase", "req-000000001", data=data)
    assert "was erased before" in situs("erase", "req-000000001", data=data)
    salts = [path.with_suffix(".salts").read_bytes() for path in files(data)]
    assert sum(content[16:32] == bytes(16) for content in salts) == 1
    assert "sound" in situs("verify", data=data)
    with pytest.raises(OperatorError, match="no such decision"):
        situs("erase", "req-999999999", data=data)


def test_a_copy_with_roots_verifies(data, tmp_path):
    rebuild(data)
    situs("retire", "--before", "2100-01-01", "--yes", data=data)
    with writing(data) as writer:
        serve(writer, 10)
    situs("export", str(tmp_path / "copy"), data=data)
    assert "sound" in situs("verify", data=tmp_path / "copy")
    assert sum(len(roots(folder)) for folder in chains(receipts_dir(tmp_path / "copy"))) == 2
    assert list((tmp_path / "copy").rglob("*.salts")) == []


def line_of(data, kind, nth=0):
    """`chain:seq` of a line."""
    path = next(path for path in files(data) if b'"type":"decision"' in path.read_bytes())
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    line = [line for line in found if line["type"] == kind][nth]
    return f"{line['chain']}:{line['seq']}"


def test_a_proof_is_printed_and_checked_with_the_public_key_alone(data, tmp_path):
    proof = tmp_path / "proof.json"
    proof.write_text(situs("prove", line_of(data, "decision"), data=data))
    key = str(data / "keys" / "receipts.pub")
    called = CliRunner().invoke(cli, ["receipts", "check", str(proof), "--key", key])
    assert called.exit_code == 0
    assert "req-000000000" in called.stdout
    assert "proved: this line is in the record" in called.stdout
    proof.write_text(proof.read_text().replace("confidential", "public"))
    called = CliRunner().invoke(cli, ["receipts", "check", str(proof), "--key", key])
    assert called.exit_code == 1
    assert "NOT PROVED: the path does not lead to the root" in called.stdout
    called = CliRunner().invoke(cli, ["receipts", "check", str(proof)])
    assert called.exit_code == 2
    assert "--key" in called.output


def test_a_chain_that_grew_is_proved_from_a_copy_of_its_head(tmp_path):
    data = tmp_path / "data"
    with writing(data) as writer:
        serve(writer, 0)
        until(lambda: report(data).chains[0].checkpoints > 0)
        serve(writer, 1)
    old, proof = line_of(data, "checkpoint"), tmp_path / "proof.json"
    proof.write_text(situs("consistency", old, data=data))
    key = str(data / "keys" / "receipts.pub")
    called = CliRunner().invoke(cli, ["receipts", "check", str(proof), "--key", key])
    assert f"under {old} are the first of those under" in called.stdout
    head = receipts_dir(data) / old.partition(":")[0] / "head.json"
    assert situs("consistency", old, str(head), data=data) == proof.read_text()
    with pytest.raises(SegmentError, match="no later checkpoint"):
        situs("consistency", str(head), old, data=data)


def test_nobody_is_handed_a_proof_that_does_not_hold(data):
    """The line was changed after it was signed."""
    ref = line_of(data, "decision")
    path = next(path for path in files(data) if b'"type":"decision"' in path.read_bytes())
    path.write_bytes(path.read_bytes().replace(b'"label":"confidential"', b'"label":"public"', 1))
    with pytest.raises(SegmentError, match="does not prove it"):
        situs("prove", ref, data=data)


@pytest.mark.parametrize("content", [None, b"\x00\xff\n", b'{"v":1,"type":"anchor","heads":[]}\n'])
def test_what_anchors_nothing_is_an_error_that_names_it(data, tmp_path, content):
    anchors = tmp_path / "anchors.jsonl"
    if content is not None:
        anchors.write_bytes(content)
    with pytest.raises(AnchorError, match=re.escape(str(anchors))) as refused:
        situs("verify", "--anchor", str(anchors), data=data)
    assert "situs receipts anchor" in refused.value.advice


def test_an_empty_folder_beside_the_chains_is_no_chain(data):
    (receipts_dir(data) / "empty").mkdir()
    shown = situs("verify", data=data)
    assert "empty" not in shown
    assert shown.strip().endswith("sound")


@pytest.mark.parametrize("content", [b"", b"junk \xff", b"-----BEGIN PUBLIC KEY-----\n"])
def test_a_key_in_the_keys_folder_that_is_none_is_named_with_what_to_do(data, content):
    (data / "keys" / "odd.pub").write_bytes(content)
    with pytest.raises(OperatorError, match=r"odd\.pub is not an Ed25519 public key") as refused:
        situs("verify", data=data)
    assert "Take it out of there" in refused.value.advice


@pytest.mark.parametrize("ref", ["odd", "1:2:3", "../..:1", "abc:-1", ":1", "abc:"])
def test_what_names_no_line_is_refused(data, ref):
    with pytest.raises(SegmentError, match=r"names no line|There is no chain"):
        situs("prove", ref, data=data)


def test_another_key_is_taken_and_the_old_one_is_still_enough(data, tmp_path):
    first = tmp_path / "first.pem"
    first.write_bytes((data / "keys" / "receipts.pub").read_bytes())
    told = situs("rotate-key", data=data)
    assert "a running gateway takes it at `situs reload`" in told
    with writing(data) as writer:
        serve(writer, 10)
    shown = situs("verify", "--key", str(first), data=data)
    assert "and those that they name: " in shown
    assert shown.strip().endswith("sound")
    new = str(data / "keys" / "receipts.pub")
    assert "unknown_key" in situs("verify", "--key", new, data=data, code=1)


def test_what_is_anchored_and_then_taken_away_is_missed(data, tmp_path):
    anchors = str(tmp_path / "anchors.jsonl")
    assert "2 checkpoints put to" in situs("anchor", "--to", anchors, data=data)
    shown = situs("verify", "--anchor", anchors, data=data)
    assert "held elsewhere: 2 lines" in shown
    for folder in chains(receipts_dir(data)):
        shutil.rmtree(folder)
    with writing(data) as writer:
        serve(writer, 10)
    assert "sound" in situs("verify", data=data)
    shown = situs("verify", "--anchor", anchors, data=data, code=1)
    assert "chain_missing" in shown


@pytest.mark.parametrize("to", ["rfc3161:http://tsa.example.org/", "rfc3161:", "git:", "rfc3161:x"])
def test_a_place_that_cannot_be_one_is_refused(data, to):
    situs("anchor", "--to", to, data=data, code=2)


def test_an_authority_without_time_stamps_has_no_effect_and_is_refused(data, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    situs("verify", "--authority", str(file), data=data, code=2)


def test_the_unsigned_tail_of_a_killed_process_is_printed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from situs.stores.signatory import Pace\n"
        "from tests.unit.stores.writing import serve, writing, until, report\n"
        "data = Path(sys.argv[1])\n"
        "with writing(data, Pace(group_s=0.4)) as writer:\n"
        "    serve(writer, 1)\n"
        "    until(lambda: report(data).chains[0].checkpoints > 0)\n"
        "    serve(writer, 2)\n"
        "    os._exit(9)\n"
    )
    folder = tmp_path / "data"
    subprocess.run([sys.executable, "-c", code, folder], timeout=60)
    shown = situs("verify", data=folder)
    [path] = files(folder)
    last = [json.loads(line) for line in path.read_bytes().splitlines()][-2:]
    assert [line["type"] for line in last] == ["decision", "outcome"]
    told = re.search(rf"unsigned tail of {path.parent.name}: (\d+) lines from seq (\d+) on", shown)
    assert told is not None
    assert int(told[1]) >= 2
    assert int(told[2]) <= last[0]["seq"]
    with path.open("ab") as file:
        file.write(b'{"v":1,"type":"outco')
    shown = situs("verify", data=folder)
    assert "torn last line" in shown
    assert shown.strip().endswith("sound")
