"""OPA's bundles: policy and data in one archive, believed only whole and, where asked, signed.

Source: https://www.openpolicyagent.org/docs/management-bundles
"""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from situs.errors import PolicyError
from situs.rego.modules import TEST_SUFFIX, Module, Source, read_modules
from situs.rego.signed import Key, verify

BUNDLE_SUFFIX: Final = ".tar.gz"
_MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_FILES: Final = 10_000
_MANIFEST: Final = ".manifest"
_SIGNATURES: Final = ".signatures.json"
_REFUSED: Final = {
    "data.yaml": "write data.json",
    "data.yml": "write data.json",
    "patch.json": "a delta bundle is no policy of its own; build a snapshot",
}
_OWN: Final = ("situs", "situs_entry")


class _Manifest(Struct):
    revision: str = ""
    rego_version: int = 1


def read_bundle(raw: bytes, key: Key | None, shown: str) -> Source:
    """A `tar.gz`, its signature verified with `key`. `shown` is what it is called in messages.

    Raises PolicyError: no archive, too large, a signature that is missing or wrong, a file that is
    not as it was signed, data that is no JSON object or stands where rules do. A bundle that is
    signed is refused without a key, so that nobody takes it for verified.
    """
    try:
        files = dict(_files(raw, shown))
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, OSError):
        raise _wrong(shown, "is no tar.gz archive") from None
    signatures = files.pop(_SIGNATURES, None)
    if key is not None:
        if signatures is None:
            raise _wrong(shown, "is not signed", "Sign it with `opa sign`, or with `opa build`.")
        verify(files, signatures, key, shown)
    elif signatures is not None:
        raise _wrong(shown, "is signed, and there is no key to verify it", "Set policy.bundle.key.")
    manifest = _manifest(files.pop(_MANIFEST, b"{}"), shown)
    for name in files:
        do = _REFUSED.get(posixpath.basename(name))
        if do:
            raise _wrong(shown, f"has {name}, which is not read", do)
    modules = tuple(_modules(files, shown))
    if not modules:
        raise _wrong(shown, "has no policy", "Build it from .rego files.")
    return Source(modules, _data(files, shown), manifest.revision)


def read_source(paths: Sequence[Path], key: Key | None = None) -> Source:
    """Files and directories of Rego, or one bundle (`….tar.gz`). Raises PolicyError."""
    bundles = [path for path in paths if path.name.endswith(BUNDLE_SUFFIX)]
    if not bundles:
        return Source(read_modules(paths))
    if len(paths) > 1:
        raise PolicyError("a bundle is a whole policy; name it alone", do="")
    try:
        raw = bundles[0].read_bytes()
    except OSError as problem:
        said = problem.strerror or type(problem).__name__
        raise PolicyError(f"{bundles[0]}: cannot be read: {said}") from None
    return read_bundle(raw, key, str(bundles[0]))


def _files(raw: bytes, shown: str) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as whole:  # its end has a checksum
        content = whole.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise _wrong(shown, f"has more than {_MOST_BYTES} bytes")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for member in archive:
            if len(seen) >= _MOST_FILES:
                raise _wrong(shown, f"has more than {_MOST_FILES} files")
            if member.isdir():
                continue
            name = posixpath.normpath("/" + member.name).lstrip("/")
            plain = member.isfile() and not member.issparse()
            file = archive.extractfile(member) if plain else None
            if file is None:
                raise _wrong(shown, f"has {name}, which is no plain file")
            if name in seen:
                raise _wrong(shown, f"has {name} twice")
            seen.add(name)
            yield name, file.read()


def _manifest(raw: bytes, shown: str) -> _Manifest:
    try:
        manifest = msgspec.json.decode(raw, type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _wrong(shown, f"has a {_MANIFEST} that cannot be read") from None
    if manifest.rego_version != 1:
        raise _wrong(shown, "is Rego v0", "Write Rego v1, and build with --v1-compatible.")
    return manifest


def _modules(files: dict[str, bytes], shown: str) -> Iterator[Module]:
    for name, text in sorted(files.items()):
        if name.endswith(".rego") and not name.endswith(TEST_SUFFIX):
            try:
                yield Module(name, f"{shown}:{name}", text.decode())
            except UnicodeDecodeError:
                raise _wrong(shown, f"has {name}, which is not UTF-8 text") from None
        elif name.lower().endswith(".rego") and not name.endswith(".rego"):
            raise _wrong(shown, f"has {name}, which is not read", "End its name in .rego.")


def _data(files: dict[str, bytes], shown: str) -> dict[str, Any]:
    """Each `data.json` at the place of its folder, all of them together."""
    data: dict[str, Any] = {}
    for name, text in sorted(files.items()):
        folder, base = posixpath.split(name)
        if base != "data.json":
            continue
        try:
            value = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _wrong(shown, f"has {name}, which is no JSON object") from None
        for part in reversed(folder.split("/") if folder else []):
            value = {part: value}
        _merge(data, value, shown)
    for name in _OWN:
        if name in data:
            raise _wrong(shown, f"has data under {name}, where the rules stand", "Move it.")
    return data


def _merge(data: dict[str, Any], more: dict[str, Any], shown: str) -> None:
    for name, value in more.items():
        known = data.setdefault(name, value)
        if known is value:
            continue
        if not (isinstance(known, dict) and isinstance(value, dict)):
            raise _wrong(shown, f"says data.….{name} twice")
        _merge(known, value, shown)


def _wrong(shown: str, what: str, do: str | None = None) -> PolicyError:
    return PolicyError(f"{shown}: the bundle {what}.", do=do)
