"""`situs keys`: a key is shown once, and what is kept of it says who may call."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from situs.cli.main import cli
from situs.errors import OperatorError
from situs.trust.api_keys import Grants, Identity, create_key, keys_path, load_keys

WIDE = {"COLUMNS": "160"}


def situs(data, *arguments):
    return CliRunner().invoke(cli, ["keys", *arguments, "--data", str(data)])


def test_create_prints_the_key_alone_so_that_it_can_be_caught(tmp_path):
    done = situs(tmp_path, "create", "ci")
    key = done.stdout.strip()
    assert done.exit_code == 0
    found = load_keys(tmp_path).identify(key.encode(), time.time())
    assert isinstance(found, Identity)
    assert found.principal.tenant == "default"
    assert found.principal.key in done.stderr
    assert key not in done.stderr


def test_what_is_asked_for_is_kept(tmp_path):
    options = ["--tenant", "research", "--group", "a", "--group", "b", "--rpm", "60"]
    scopes = ["--scope", "admin", "--scope", "inference"]
    told = json.loads(situs(tmp_path, "create", "ci", *options, *scopes, "--json").stdout)
    listed = json.loads(situs(tmp_path, "list", "--json").stdout)
    key = told.pop("key")
    assert listed == [told]
    assert told["tenant"] == "research"
    assert told["groups"] == ["a", "b"]
    assert told["scopes"] == ["admin", "inference"]
    assert told["rpm"] == 60
    assert told["expires"] is None
    assert key not in json.dumps(listed)


@pytest.mark.parametrize(("said", "seconds"), [("90d", 90 * 86400), ("12h", 12 * 3600)])
def test_a_key_ends_after_a_duration(tmp_path, said, seconds):
    situs(tmp_path, "create", "ci", "--expires", said)
    (key,) = load_keys(tmp_path).keys
    assert key.expires is not None
    assert key.expires - key.created == pytest.approx(seconds, abs=5)


def test_a_key_ends_at_the_beginning_of_a_day(tmp_path):
    situs(tmp_path, "create", "ci", "--expires", "2999-01-31")
    (key,) = load_keys(tmp_path).keys
    assert key.expires == datetime(2999, 1, 31, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "wrong",
    [
        *(["x y"], ["x", "--tenant", "-"], ["x", "--group", "a,b"], ["x", "--scope", "all"]),
        *(["x", "--expires", "2020-01-01"], ["x", "--expires", "soon"], ["x", "--expires", "0d"]),
        *(["x", "--rpm", "0"], ["x", "--expires", "2999-13-01"], []),
    ],
)
def test_what_makes_no_sense_makes_no_key(tmp_path, wrong):
    assert situs(tmp_path, "create", *wrong).exit_code == 2
    assert not keys_path(tmp_path).exists()


def test_list_is_for_people_too_and_shows_what_was_taken_back(tmp_path):
    assert "situs keys create" in situs(tmp_path, "list").stdout
    told = json.loads(situs(tmp_path, "create", "ci", "--json").stdout)
    assert "revoked" not in situs(tmp_path, "list").stdout
    revoked = json.loads(situs(tmp_path, "revoke", told["id"], "--json").stdout)
    assert revoked["revoked"] is not None
    assert told["id"] in situs(tmp_path, "revoke", told["id"]).stdout
    listed = situs(tmp_path, "list").stdout
    assert told["id"] in listed
    assert "revoked" in listed
    assert told["key"] not in listed


def test_list_tells_when_keys_end_to_the_minute_and_which_have_ended(tmp_path):
    day = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC).timestamp()
    for name, expires in (("old", time.time() - 60), ("new", day)):
        create_key(tmp_path, Grants(name=name, expires=expires), time.time() - 3600)
    shown = CliRunner().invoke(cli, ["keys", "list", "--data", str(tmp_path)], env=WIDE).stdout
    rows = {line.split()[1]: line for line in shown.splitlines()[1:]}
    assert "expired" in rows["old"]
    assert "2031-05-06 07:08" in rows["new"]
    assert "expired" not in rows["new"]


def test_an_unknown_id_cannot_be_revoked(tmp_path):
    assert isinstance(situs(tmp_path, "revoke", "00000000").exception, OperatorError)
