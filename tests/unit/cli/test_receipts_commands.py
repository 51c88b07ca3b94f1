"""`situs receipts`: retire, erase, export and verify, as a person calls them."""

import json

import pytest
from click.testing import CliRunner
from tests.unit.stores.writing import files, serve, witnessing, writing

from situs.cli.main import cli
from situs.errors import DataDirectoryInUse, OperatorError
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
