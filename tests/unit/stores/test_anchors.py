"""Anchors: each newest checkpoint is put elsewhere once, and what is held there must be here."""

import json
import shutil
import subprocess
import urllib.request
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.tsa_server import available, tsa_server
from tests.unit.stores.writing import QUICK, files, serve, several_segments, witnessing, writing

from situs.errors import AnchorError
from situs.stores.anchor_places import (
    anchors_at,
    certificates,
    check_stamp,
    check_stamps,
    place,
)
from situs.stores.anchors import Anchoring, held
from situs.stores.layout import chains, head, receipts_dir
from situs.stores.proofs import prove
from situs.stores.verify import verify
from situs.trust.keys import pinned_keys

stamping = pytest.mark.skipif(not available(), reason="no openssl or rfc3161-client here")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    data = tmp_path_factory.mktemp("anchors") / "data"
    with witnessing(data), writing(data) as writer:
        for number in range(3):
            serve(writer, number)
    return data


@pytest.fixture
def data(made, tmp_path):
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(
    params=["file", "git", "bare git", "git within", pytest.param("rfc3161", marks=stamping)]
)
def to(request, tmp_path):
    """A place, as `--to` says it, and where it is read, as `--anchor` says it."""
    repository = tmp_path / "repository"
    if request.param == "file":
        yield str(tmp_path / "anchors.jsonl"), str(tmp_path / "anchors.jsonl")
    elif request.param == "rfc3161":
        with tsa_server(tmp_path / "tsa") as authority:
            yield f"rfc3161:{authority.url}", str(tmp_path / "data" / "anchors")
    else:
        bare = ["--bare"] if request.param == "bare git" else []
        subprocess.run(["git", "init", "-q", *bare, repository], check=True)
        if request.param == "git within":
            (repository / "a file of the work tree").touch()
        yield f"git:{repository}", f"git:{repository}"


def anchored(data, to):
    return Anchoring(receipts_dir(data), place(to, data, data)).run(1_750_000_000.0)


def codes(data, where):
    keys = pinned_keys(data / "keys")
    report = verify(receipts_dir(data), keys, held(anchors_at(where)))
    return {problem.code for problem in report.problems}


def test_each_newest_checkpoint_is_put_there_once(data, to):
    to, where = to
    assert anchored(data, to) == 2
    assert anchored(data, to) == 0
    with writing(data) as writer:
        serve(writer, 10)
    assert anchored(data, to) == 1
    found = held(anchors_at(where))
    assert set(found) == set(map(head, chains(receipts_dir(data))))
    assert codes(data, where) == set()


def test_one_that_runs_on_looks_at_the_place_only_once_and_goes_on_from_there(data, to):
    to, where = to
    anchoring = Anchoring(receipts_dir(data), place(to, data, data))
    with writing(data) as writer:
        assert anchoring.run(1.0) == 3
        serve(writer, 10)
    assert anchoring.run(2.0) == 1
    assert len(anchors_at(where)) == 2


def test_a_directory_that_is_rolled_back_is_found(data, to, tmp_path):
    to, where = to
    shutil.copytree(receipts_dir(data), tmp_path / "before")
    with witnessing(data), writing(data) as writer:
        serve(writer, 10)
    anchored(data, to)
    shutil.rmtree(receipts_dir(data))
    shutil.copytree(tmp_path / "before", receipts_dir(data))
    assert codes(data, where) == {"chain_missing"}


def test_a_line_that_a_power_cut_tore_is_no_anchor_and_stops_none(data, tmp_path):
    file = tmp_path / "anchors.jsonl"
    anchored(data, str(file))
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:100])
    assert codes(data, str(file)) == set()
    with writing(data) as writer:
        serve(writer, 10)
    assert anchored(data, str(file)) == 1
    first, second = file.read_bytes().splitlines(keepends=True)
    assert first == whole
    assert json.loads(second)["type"] == "anchor"
    assert codes(data, str(file)) == set()


def test_the_work_tree_of_a_repository_is_left_alone(data, tmp_path):
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", repository], check=True)
    (repository / "mine").write_text("mine")
    anchored(data, f"git:{repository}")
    status = ["git", "-C", repository, "status", "--porcelain"]
    assert subprocess.run(status, capture_output=True, text=True).stdout == "?? mine\n"


@pytest.mark.parametrize("place_", ["{0}/none/anchors.jsonl", "git:{0}/none", "git:{0}"])
def test_a_place_that_is_not_there_is_said_so(data, tmp_path, place_):
    with pytest.raises(AnchorError):
        anchored(data, place_.format(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "not json\n",
        '{"v":1,"type":"anchor","heads":["x"]}\n',
        '{"v":2,"type":"anchor","at":1,"heads":[]}\n',
        '{"v":1,"type":"anchor","at":1,"heads":[]}\n',
        '{"v":1,"type":"anchor","at":1}\n',
        '{"v":1,"type":"anchor","at":1,"heads":[{"chain":"a","seq":1,"digest":"b"}]}\n',
        '{"v":1,"type":"inclusion","at":1}\n',
        '{"v":1,"type":"odd","heads":' + "[" * 100_000 + "\n",
        '{"v":1,"type":"odd"}\n',
    ],
)
def test_a_file_of_something_else_is_no_anchor(tmp_path, content):
    (tmp_path / "file").write_text(content)
    with pytest.raises(AnchorError):
        held(anchors_at(str(tmp_path / "file")))


def test_a_copy_of_a_head_a_receipt_and_a_proof_are_held_as_well(data, tmp_path):
    folder = files(data)[0].parent
    lines = files(data)[0].read_bytes().splitlines(keepends=True)
    import msgspec

    kept = tmp_path / "kept"
    for content in (
        (folder / "head.json").read_bytes(),
        lines[2],
        msgspec.json.encode(prove(receipts_dir(data), folder.name, 2)),
    ):
        kept.write_bytes(content)
        assert codes(data, str(kept)) == set()
        changed = content.replace(b'"at":17', b'"at":27').replace(b'\\"at\\":17', b'\\"at\\":27')
        assert changed != content
        kept.write_bytes(changed)
        assert codes(data, str(kept)) & {"not_as_cited"}


@stamping
def test_a_time_stamp_is_checked_against_the_authority_that_is_trusted(data, tmp_path):
    with tsa_server(tmp_path / "tsa") as authority, tsa_server(tmp_path / "other") as other:
        anchored(data, f"rfc3161:{authority.url}")
        assert check_stamps(data / "anchors", authority.ca) == 1
        with pytest.raises(AnchorError, match="no time stamp that can be trusted"):
            check_stamps(data / "anchors", other.ca)
        [path] = (data / "anchors").glob("*.json")
        path.write_bytes(path.read_bytes().replace(b'"at":17', b'"at":27'))
        with pytest.raises(AnchorError, match="something else"):
            check_stamps(data / "anchors", authority.ca)
        path.with_suffix(".tsr").unlink()
        with pytest.raises(AnchorError):
            check_stamps(data / "anchors", authority.ca)


@stamping
def test_the_service_is_told_a_digest_and_nothing_else(data, tmp_path):
    with tsa_server(tmp_path / "tsa") as authority:
        anchored(data, f"rfc3161:{authority.url}")
        [asked] = authority.asked
    assert len(asked) < 100
    assert not any(folder.name.encode() in asked for folder in chains(receipts_dir(data)))


@stamping
@pytest.mark.parametrize("answers", [(500, b""), (200, b"garbage"), (200, b""), (302, b"")])
def test_a_service_that_does_not_stamp_leaves_nothing_and_is_asked_again(data, tmp_path, answers):
    with tsa_server(tmp_path / "tsa") as authority:
        anchoring = Anchoring(receipts_dir(data), place(f"rfc3161:{authority.url}", data, data))
        authority.answers = answers
        with pytest.raises(AnchorError):
            anchoring.run(1.0)
        assert list((data / "anchors").glob("*")) == []
        authority.answers = None
        assert anchoring.run(2.0) == 2


@stamping
def test_a_refusal_is_said_to_be_one(data, tmp_path):
    with tsa_server(tmp_path / "tsa") as authority:
        conf = tmp_path / "tsa" / "ts.conf"
        conf.write_text(conf.read_text().replace("sha256, sha512", "sha512"))
        with pytest.raises(AnchorError, match="refused"):
            anchored(data, f"rfc3161:{authority.url}")


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """A real one, over `b"anchor"`; and who signed it."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    asked = TimestampRequestBuilder().data(b"anchor").hash_algorithm(HashAlgorithm.SHA256).build()
    folder = tmp_path_factory.mktemp("answer") / "tsa"
    with tsa_server(folder) as authority:
        call = urllib.request.Request(authority.url, asked.as_bytes())
        return urllib.request.urlopen(call).read(), certificates(authority.ca)


@stamping
@settings(deadline=None, max_examples=300)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_an_answer_that_was_changed_is_refused_in_words(answer, where, flip, cut):
    content, roots = bytearray(answer[0]), answer[1]
    check_stamp(b"anchor", bytes(content), roots, None)
    place_ = int(where * len(content))
    content[place_] ^= flip
    changed = bytes(content[:place_] if cut else content)
    with suppress(AnchorError):  # some bytes are not signed: of certificates that are not needed
        check_stamp(b"anchor", changed, roots, None)
    with pytest.raises(AnchorError):
        check_stamp(b"another", changed, roots, None)


@stamping
@settings(deadline=None)
@given(st.binary(max_size=64))
def test_garbage_is_no_answer(garbage):
    with pytest.raises(AnchorError):
        check_stamp(b"anchor", garbage, None, None)


@stamping
def test_an_old_answer_is_not_taken_again(data, tmp_path):
    with tsa_server(tmp_path / "tsa") as authority:
        anchored(data, f"rfc3161:{authority.url}")
        [old] = (data / "anchors").glob("*.tsr")
        authority.answers = (200, old.read_bytes())
        shutil.rmtree(receipts_dir(data) / files(data)[0].parent.name)
        for path in (data / "anchors").glob("*"):
            path.unlink()
        with pytest.raises(AnchorError, match="something else"):
            anchored(data, f"rfc3161:{authority.url}")


def test_a_git_branch_with_a_commit_of_somebody_else_is_read_over(data, tmp_path):
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", "-b", "situs-anchors", repository], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    commit = ["git", "-C", repository, *who, "commit", "-q", "--allow-empty", "-m", "by hand"]
    subprocess.run(commit, check=True)
    assert anchored(data, f"git:{repository}") == 2
    assert len(anchors_at(f"git:{repository}")) == 1
    [anchor] = anchors_at(f"git:{repository}")
    assert json.loads(anchor)["type"] == "anchor"


def test_a_chain_of_several_segments_may_be_anchored_while_it_is_written(tmp_path):
    data = tmp_path / "data"
    anchoring = Anchoring(receipts_dir(data), place(str(tmp_path / "file"), data, data))
    with witnessing(data, QUICK):
        several_segments(data)
        anchoring.run(1.0)
    assert codes(data, str(tmp_path / "file")) == set()
