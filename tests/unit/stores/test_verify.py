"""Whatever is done to the files of a chain shows."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.stores.writing import codes, files, report, serve, several_segments, writing

from situs.stores.layout import receipts_dir
from situs.stores.verify import verify
from situs.trust.keys import open_signing_key, pinned_keys

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    data = tmp_path_factory.mktemp("sound") / "data"
    several_segments(data)
    assert codes(data) == set()
    return data


@pytest.fixture
def data(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "data")
    return tmp_path / "data"


def rewrite(path, change):
    lines = path.read_bytes().split(b"\n")[:-1]
    path.write_bytes(b"".join(line + b"\n" for line in change(lines)))


def at(lines, kind, nth=0):
    return [i for i, line in enumerate(lines) if f'"type":"{kind}"'.encode() in line][nth]


def edit(lines):
    i = at(lines, "decision", 2)
    lines[i] = lines[i].replace(b'"jurisdiction":"DE"', b'"jurisdiction":"US"')
    lines[i] = lines[i].replace(b'"label":"confidential"', b'"label":"public"')
    return lines


def reorder(lines):
    lines[3], lines[4] = lines[4], lines[3]
    return lines


def insert(lines):
    new = json.loads(lines[4])
    new["id"], new["seq"], new["prev"] = "invented", new["seq"] + 1, sha256(lines[4]).hexdigest()
    return [*lines[:5], json.dumps(new).encode(), *lines[5:]]


def remove(lines):
    return lines[:4] + lines[5:]


def duplicate(lines):
    return [*lines[:5], lines[4], *lines[5:]]


def relink(lines):
    """An edit by someone who knows the format, but has no key."""
    i = at(lines, "decision", 1)
    lines[i] = lines[i].replace(b'"label":"confidential"', b'"label":"public"')
    for j in range(i + 1, len(lines)):
        line = json.loads(lines[j])
        line["prev"] = sha256(lines[j - 1]).hexdigest()
        lines[j] = json.dumps(line, separators=(",", ":")).encode()
    return lines


def cut_tail(lines):
    return lines[: at(lines, "checkpoint", -1) - 2]


def other_signature(lines):
    i = at(lines, "checkpoint", -1)
    line = json.loads(lines[i])
    line["signature"] = line["signature"][::-1]
    lines[i] = json.dumps(line, separators=(",", ":")).encode()
    return lines


def drop_outcome(lines):
    return [line for i, line in enumerate(lines) if i != at(lines, "outcome")]


@pytest.mark.parametrize(
    ("segment", "change", "expected"),
    [
        (1, edit, {"broken_link", "wrong_root"}),
        (1, reorder, {"sequence", "broken_link", "wrong_root"}),
        (1, insert, {"sequence", "broken_link", "wrong_root"}),
        (1, remove, {"sequence", "broken_link", "wrong_root"}),
        (1, duplicate, {"sequence", "broken_link", "wrong_root"}),
        (-1, drop_outcome, {"sequence", "broken_link", "wrong_root"}),
        (0, relink, {"wrong_root"}),
        (-1, relink, {"wrong_root"}),
        (1, cut_tail, {"sequence", "broken_link"}),
        (-1, cut_tail, {"truncated"}),
        (-1, other_signature, {"bad_signature", "not_as_cited"}),
        (1, other_signature, {"bad_signature", "broken_link"}),
    ],
)
def test_a_changed_segment_is_found(data, segment, change, expected):
    rewrite(files(data)[segment], change)
    assert expected <= codes(data)


def test_a_problem_says_where(data):
    path = files(data)[1]
    rewrite(path, edit)
    broken = next(p for p in report(data).problems if p.code == "broken_link")
    lines = path.read_bytes().split(b"\n")
    assert broken.file == f"{path.parent.name}/{path.name}"
    assert broken.seq == json.loads(lines[broken.line - 1])["seq"]
    assert broken.line == at(lines, "decision", 2) + 2


def test_a_segment_cut_in_the_middle_of_a_line_is_found(data):
    path = files(data)[0]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert {"torn_inside", "sequence"} <= codes(data)


def test_a_torn_last_line_that_was_never_signed_is_no_problem(data):
    with files(data)[-1].open("ab") as file:
        file.write(b'{"v":1,"type":"outco')
    found = report(data)
    assert found.problems == ()
    assert found.chains[0].torn


def test_swapped_segments_are_found(data):
    one, two = files(data)[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert {"segment_start", "sequence", "broken_link"} <= codes(data)


def test_a_removed_segment_is_found(data):
    files(data)[1].unlink()
    assert {"sequence", "broken_link"} <= codes(data)


def test_a_removed_first_segment_is_found(data):
    files(data)[0].unlink()
    assert {"sequence", "broken_link"} <= codes(data)


def test_a_chain_written_with_another_key_is_found(data, tmp_path):
    several_segments(tmp_path / "forged")
    shutil.rmtree(receipts_dir(data))
    shutil.copytree(receipts_dir(tmp_path / "forged"), receipts_dir(data))
    assert codes(data) == {"unknown_key"}


def test_without_any_pinned_key_nothing_is_sound(data):
    assert {p.code for p in verify(receipts_dir(data), []).problems} == {"unknown_key"}


def test_a_removed_head_is_found(data):
    next(receipts_dir(data).glob("*/head.json")).unlink()
    assert codes(data) == {"head_missing"}


def test_a_removed_or_shortened_earlier_chain_is_found(data):
    with writing(data) as writer:
        serve(writer, 900_000)
    assert codes(data) == set()
    old = files(data)[0].parent.name
    chains = {path.parent.name for path in files(data)}
    cited = {
        entry["chain"]
        for path in files(data)
        for entry in json.loads(path.read_bytes().split(b"\n")[0]).get("previous", [])
    }
    [first] = cited
    assert old in chains
    folder = receipts_dir(data) / first
    last = max(folder.glob("*.jsonl"))
    whole = last.read_bytes()
    rewrite(last, cut_tail)
    (folder / "head.json").write_bytes(whole.split(b"\n")[0] + b"\n")
    assert codes(data) == {"truncated"}, "even with a forged head"
    shutil.rmtree(folder)
    assert "chain_missing" in codes(data)


def test_an_outcome_without_a_decision_is_found(data):
    def orphan(lines):
        i = at(lines, "outcome", -1)
        lines[i] = lines[i].replace(b'"id":"req-', b'"id":"odd-')
        return lines

    rewrite(files(data)[-1], orphan)
    assert "outcome_without_decision" in codes(data)


def test_a_decision_without_an_outcome_is_counted_only(tmp_path):
    with writing(tmp_path) as writer:
        serve(writer, 1)
        from tests.unit.stores.writing import decide

        decide(writer, 2)
    found = report(tmp_path)
    assert found.problems == ()
    assert found.open_decisions == 1


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_byte_of_a_closed_chain_can_change_unseen(sound, where, flip):
    paths = files(sound)
    sizes = [path.stat().st_size for path in paths]
    position = int(where * sum(sizes))
    index = 0
    while position >= sizes[index]:
        position -= sizes[index]
        index += 1
    with paths[index].open("r+b") as file:
        file.seek(position)
        [before] = file.read(1)
        file.seek(position)
        file.write(bytes([before ^ flip]))
        file.flush()
        try:
            assert report(sound).problems
        finally:
            file.seek(position)
            file.write(bytes([before]))


def test_nothing_kept_is_a_problem_of_its_own(tmp_path):
    open_signing_key(tmp_path / "keys")
    found = verify(receipts_dir(tmp_path), pinned_keys(tmp_path / "keys"))
    assert [problem.code for problem in found.problems] == ["nothing_to_verify"]
    assert found.lines == 0
