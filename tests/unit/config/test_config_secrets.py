import os
import pickle
from pathlib import Path

import msgspec
import pytest

from situs.config.secrets import resolve
from situs.errors import ConfigError

VALUE = "not-a-real-key"


def write(path: Path, raw: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(raw)
    path.chmod(mode)
    return path


def test_a_reference_names_a_variable_or_a_file(tmp_path):
    write(tmp_path / "key", f"{VALUE}\n".encode())
    write(tmp_path / "group", VALUE.encode(), 0o640)
    environ = {"K": VALUE, "N": VALUE + "\n"}
    for reference in ("env:K", "env:N", "file:key", "file:group", f"file:{tmp_path}/key"):
        assert resolve(reference, tmp_path, environ=environ).reveal() == VALUE


def test_a_secret_does_not_show_itself(tmp_path):
    secret = resolve("env:K", tmp_path, environ={"K": VALUE})
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", "%s" % secret]  # noqa: UP031
    assert not any(VALUE in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("env:MISSING", "not set in the environment"),
        ("env:EMPTY", "empty"),
        ("env:SPACED", "not one line of visible ASCII"),
        ("env:BROKEN", "not one line of visible ASCII"),
        ("file:missing", "cannot be read"),
        ("file:open", "open to every user"),
        ("file:.", "cannot be read|not a regular file"),
        ("file:pipe", "not a regular file"),
        ("file:large", "larger than"),
        ("file:binary", "not one line of visible ASCII"),
    ],
)
def test_a_missing_or_unsafe_secret_names_its_reference_only(tmp_path, reference, expected):
    write(tmp_path / "open", VALUE.encode(), 0o644)
    write(tmp_path / "large", b"x" * 70_000)
    write(tmp_path / "binary", VALUE.encode() + b"\xff")
    os.mkfifo(tmp_path / "pipe", 0o600)
    environ = {"EMPTY": "", "SPACED": f"{VALUE} {VALUE}", "BROKEN": f"{VALUE}\r\nx: y"}
    with pytest.raises(ConfigError, match=expected) as caught:
        resolve(reference, tmp_path, at="f.yaml:3: a.key", environ=environ)
    assert caught.value.message.startswith(f"f.yaml:3: a.key: {reference}: ")
    assert VALUE not in caught.value.message


def test_what_is_no_reference_is_not_repeated(tmp_path):
    with pytest.raises(ConfigError) as caught:
        resolve(VALUE, tmp_path)
    assert VALUE not in f"{caught.value!r} {caught.value.message}"
