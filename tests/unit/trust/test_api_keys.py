"""Keys are kept as digests, told apart by nothing else, and a damaged file lets nobody in anew."""

from __future__ import annotations

import multiprocessing
import re

import msgspec
import pytest

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan
from situs.core.request import Principal
from situs.errors import OperatorError
from situs.trust.api_keys import (
    NO_KEYS,
    ApiKey,
    Grants,
    Identity,
    KeyFile,
    KeyTable,
    Refusal,
    Scope,
    create_key,
    is_word,
    keys_path,
    load_keys,
    revoke_key,
)

NOW = 1_800_000_000.0


def made(data, name="ci", **grants):
    return create_key(data, Grants(name=name, **grants), NOW)


def known(table, key):
    assert table is not None
    found = table.identify(key.encode(), NOW)
    assert isinstance(found, Identity)
    return found


def test_a_key_is_found_by_what_it_grants(tmp_path):
    grants = {"tenant": "research", "groups": ("a", "b"), "rpm": 60, "scopes": (Scope.ADMIN,)}
    kept, key = made(tmp_path, **grants)
    found = known(load_keys(tmp_path), key)
    assert found.principal == Principal("research", kept.id, ("a", "b"))
    assert found.scopes == {Scope.ADMIN}
    assert found.rpm == 60


def test_a_key_looks_the_same_every_time_and_our_own_detector_knows_it(tmp_path):
    keys = [made(tmp_path)[1] for _ in range(20)]
    assert len(set(keys)) == 20
    for key in keys:
        assert re.fullmatch(r"situs_[0-9a-f]{8}_[0-9A-Za-z]{43}", key)
        assert "credential" in scan([f"use {key} please"], DEFAULT_FLOORS).counts


def test_the_file_holds_no_key_and_is_the_owners_alone(tmp_path):
    kept, key = made(tmp_path)
    content = keys_path(tmp_path).read_text()
    assert key not in content
    assert key.rpartition("_")[2] not in content
    assert kept.digest in content
    assert keys_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert keys_path(tmp_path).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "change",
    [lambda k: k[:-1], lambda k: k + "x", lambda k: k.swapcase(), lambda k: "", lambda k: k[6:]],
)
def test_anything_but_the_whole_key_is_unknown(tmp_path, change):
    _, key = made(tmp_path)
    assert load_keys(tmp_path).identify(change(key).encode(), NOW) is Refusal.UNKNOWN


def test_a_revoked_key_is_as_good_as_unknown_and_stays_listed(tmp_path):
    kept, key = made(tmp_path)
    other, other_key = made(tmp_path, "other")
    revoke_key(tmp_path, kept.id, NOW + 5)
    table = load_keys(tmp_path)
    assert table.identify(key.encode(), NOW) is Refusal.UNKNOWN
    assert known(table, other_key).principal.key == other.id
    assert [(k.id, k.revoked) for k in table.keys] == [(kept.id, NOW + 5), (other.id, None)]


def test_revoking_twice_keeps_the_first_time(tmp_path):
    kept, _ = made(tmp_path)
    revoke_key(tmp_path, kept.id, NOW + 5)
    assert revoke_key(tmp_path, kept.id, NOW + 9).revoked == NOW + 5


def test_an_id_that_no_key_has_cannot_be_revoked(tmp_path):
    made(tmp_path)
    with pytest.raises(OperatorError, match="No key has this id"):
        revoke_key(tmp_path, "00000000", NOW)


@pytest.mark.parametrize(("at", "ends"), [(-1, False), (-0.001, False), (0, True), (1, True)])
def test_a_key_ends_at_the_moment_it_names(tmp_path, at, ends):
    _, key = made(tmp_path, expires=NOW + 60)
    found = load_keys(tmp_path).identify(key.encode(), NOW + 60 + at)
    assert (found is Refusal.EXPIRED) is ends


def test_a_revoked_key_is_unknown_also_after_its_end(tmp_path):
    kept, key = made(tmp_path, expires=NOW + 60)
    revoke_key(tmp_path, kept.id, NOW)
    assert load_keys(tmp_path).identify(key.encode(), NOW + 99) is Refusal.UNKNOWN


@pytest.mark.parametrize(
    ("grants", "after_s", "lets_in"),
    [
        ({}, 0, True),
        ({"scopes": (Scope.ADMIN,)}, 0, False),
        ({"scopes": (Scope.ADMIN, Scope.INFERENCE)}, 0, True),
        ({"expires": NOW + 10}, 0, True),
        ({"expires": NOW + 10}, 10, False),
    ],
)
def test_a_table_lets_in_by_a_key_that_can_be_used(tmp_path, grants, after_s, lets_in):
    kept, _ = made(tmp_path, **grants)
    assert load_keys(tmp_path).lets_in(Scope.INFERENCE, NOW + after_s) is lets_in
    revoke_key(tmp_path, kept.id, NOW)
    assert not load_keys(tmp_path).lets_in(Scope.INFERENCE, NOW)


def test_limits_are_those_of_keys_that_may_be_used(tmp_path):
    kept, _ = made(tmp_path, rpm=5)
    made(tmp_path, "free")
    gone, _ = made(tmp_path, "gone", rpm=7)
    revoke_key(tmp_path, gone.id, NOW)
    assert load_keys(tmp_path).limits() == {kept.id: 5}


def test_a_table_goes_to_another_process_and_is_the_same_there(tmp_path):
    _, key = made(tmp_path, groups=("a",), expires=NOW + 1, rpm=3)
    table = load_keys(tmp_path)
    there = msgspec.json.decode(msgspec.json.encode(table), type=KeyTable)
    assert there == table
    assert there.identify(key.encode(), NOW) == table.identify(key.encode(), NOW)


def test_without_a_file_there_are_no_keys(tmp_path):
    assert load_keys(tmp_path) == NO_KEYS
    assert NO_KEYS.identify(b"", NOW) is Refusal.UNKNOWN


def _content(**changes):
    key = {"id": "0a1b2c3d", "name": "x", "digest": "0" * 64, "created": 1.0, **changes}
    return msgspec.json.encode({"version": 1, "keys": [key]})


DAMAGED = {
    "empty": b"",
    "cut": b'{"version": 1, "keys": [',
    "not an object": b"[]",
    "another version": b'{"version": 2, "keys": []}',
    "no version": b'{"keys": []}',
    "more than the format has": b'{"version": 1, "keys": [], "more": 1}',
    "no digest": b'{"version": 1, "keys": [{"id": "0a1b2c3d", "name": "x", "created": 1}]}',
    "a digest too short": _content(digest="00"),
    "an unknown scope": _content(scopes=["everything"]),
    "no scope": _content(scopes=[]),
    "an unknown field": _content(colour="red"),
    "a name with a space": _content(name="a b"),
    "not UTF-8": b'{"version": 1, "keys": [], "\xff": 1}',
    "a key twice": _content().replace(b"]}", b"," + _content()[len(b'{"version":1,"keys":[') :]),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_an_error_that_says_which(tmp_path, content):
    path = keys_path(tmp_path)
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(OperatorError, match=r"api_keys\.json is no table of API keys"):
        load_keys(tmp_path)
    with pytest.raises(OperatorError):
        made(tmp_path)
    assert path.read_bytes() == content


def test_a_file_that_others_may_change_is_refused(tmp_path):
    made(tmp_path)
    keys_path(tmp_path).chmod(0o620)
    with pytest.raises(OperatorError, match="can be changed by others"):
        load_keys(tmp_path)


def test_who_follows_the_file_sees_every_change_once(tmp_path):
    file = KeyFile(tmp_path)
    assert file.poll() is None
    kept, key = made(tmp_path)
    assert known(file.poll(), key).principal.key == kept.id
    assert file.poll() is None
    revoke_key(tmp_path, kept.id, NOW)
    table = file.poll()
    assert table is not None
    assert table.identify(key.encode(), NOW) is Refusal.UNKNOWN
    assert file.poll() is None


def test_a_running_gateway_keeps_the_last_good_table_and_says_so_once(tmp_path, caplog):
    _, key = made(tmp_path)
    file = KeyFile(tmp_path)
    good = keys_path(tmp_path).read_bytes()
    keys_path(tmp_path).write_bytes(b"{")
    assert file.poll() is None
    assert file.poll() is None
    assert caplog.text.count("The keys read before stay in force") == 1
    assert file.table.identify(key.encode(), NOW) is not Refusal.UNKNOWN
    keys_path(tmp_path).write_bytes(good)
    assert file.poll() is None
    _, other = made(tmp_path)
    assert known(file.poll(), other)


def test_a_gateway_does_not_start_with_a_damaged_table(tmp_path):
    made(tmp_path)
    keys_path(tmp_path).write_bytes(b"{")
    with pytest.raises(OperatorError):
        KeyFile(tmp_path)


def test_a_file_that_is_gone_lets_nobody_in(tmp_path):
    made(tmp_path)
    file = KeyFile(tmp_path)
    keys_path(tmp_path).unlink()
    assert file.poll() == NO_KEYS


def _make_many(data, name):
    for _ in range(10):
        made(data, name)


def test_keys_made_at_the_same_time_are_all_kept(tmp_path):
    context = multiprocessing.get_context("fork")
    makers = [context.Process(target=_make_many, args=(tmp_path, f"m{n}")) for n in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(60)
    names = [key.name for key in load_keys(tmp_path).keys]
    assert sorted(names) == sorted(f"m{n}" for n in range(4) for _ in range(10))
    assert sorted(p.name for p in keys_path(tmp_path).parent.iterdir()) == [
        "api_keys.json",
        "api_keys.lock",
    ]


@pytest.mark.parametrize("text", ["a", "team-1", "a.b:c/d@e", "x" * 64])
def test_a_word_names_a_key_a_tenant_or_a_group(text):
    assert is_word(text)
    assert msgspec.convert({"name": text}, Grants).name == text


@pytest.mark.parametrize("text", ["", " ", "a b", "-a", "a\n", "é", "x" * 65, "a,b", "<b>"])
def test_what_is_no_word_is_no_name(text):
    assert not is_word(text)


def test_what_is_kept_of_a_key_is_the_whole_row():
    fields = {field.name for field in msgspec.structs.fields(ApiKey)}
    assert fields == {
        *("name", "tenant", "groups", "scopes", "expires", "rpm"),
        *("id", "digest", "created", "revoked"),
    }
