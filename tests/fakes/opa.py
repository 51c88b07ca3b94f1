"""OPA's own engine, in Go, from the wheel `opa-golib-python-bindings`; tests ask it what is right.

It is not among what development installs: it is large, and made for a newer Python. Get it once:

    python -m tests.fakes.opa
"""

from __future__ import annotations

import ctypes
import functools
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Self

from situs.rego.modules import Source

VERSION = "0.4.4"
SHA256 = "d411c901e14b8c7c3023e23e4a944f4cf429c1d31baf80e959e57d11efbfd24a"
FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "opa" / VERSION
_LIBRARY = FOLDER / "opa_bindings" / "libopabridge.so"
MISSING = "OPA's own engine is not here; `python -m tests.fakes.opa` gets it"


def is_here() -> bool:
    return _LIBRARY.is_file()


class OpaError(Exception):
    pass


class Opa:
    """One engine with a policy; `undefined` is an answer, None."""

    def __init__(self, source: Source) -> None:
        self._library = _load()
        self._handle = self._library.OpaNew()
        for module in source.modules:
            self.add(module.shown, module.text)
        if source.data:
            self._call("OpaAddData", b"", json.dumps(source.data).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.OpaDestroy(self._handle)

    def add(self, name: str, text: str) -> None:
        """One more module. Raises OpaError."""
        self._call("OpaAddPolicy", name.encode(), text.encode())

    def document(self, path: str, document: bytes) -> Any:
        """What `data.PATH` is. Raises OpaError."""
        found = self._call("OpaEvalDocument", path.encode(), document, 0, 0).get("result")
        return found[0]["expressions"][0]["value"] if found else None

    def query(self, query: str, document: bytes = b"{}") -> Any:
        """The value of an expression; None where it is undefined. Raises OpaError."""
        found = self._call("OpaEvalQuery", b"x := " + query.encode(), document, 0, 0).get("result")
        return found[0]["bindings"]["x"] if found else None

    def _call(self, name: str, *arguments: Any) -> Any:
        pointer = getattr(self._library, name)(self._handle, *arguments)
        try:
            said = json.loads(ctypes.string_at(pointer))
        finally:
            self._library.OpaFreeString(pointer)
        if said.get("error"):
            raise OpaError(said["error"].get("message", "") or said["error"].get("code"))
        return said


@functools.cache
def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_LIBRARY))
    handle, text, number = ctypes.c_uint64, ctypes.c_char_p, ctypes.c_int
    library.OpaNew.restype = handle
    library.OpaDestroy.argtypes = [handle]
    library.OpaFreeString.argtypes = [ctypes.c_void_p]
    for name, arguments in {
        "OpaAddPolicy": [handle, text, text],
        "OpaAddData": [handle, text, text],
        "OpaEvalDocument": [handle, text, text, number, number],
        "OpaEvalQuery": [handle, text, text, number, number],
    }.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, ctypes.c_void_p
    return library


def get() -> None:
    """Downloads the wheel by its hash, and unpacks it where the tests look for it."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(
            f"opa-golib-python-bindings=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8"
        )
        told = ["--no-deps", "--only-binary=:all:", "--python-version=3.14"]
        told += ["--implementation=cp", "--platform=manylinux_2_34_x86_64"]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            *told,
            "-r",
            str(wanted),
            "-d",
            folder,
        ]
        subprocess.run(command, check=True)
        [wheel] = Path(folder).glob("*.whl")
        FOLDER.mkdir(parents=True, exist_ok=True)
        zipfile.ZipFile(wheel).extractall(FOLDER)
    sys.stdout.write(f"{FOLDER}\n")


if __name__ == "__main__":
    get()
