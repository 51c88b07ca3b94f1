"""Where anchors go: a file, a git repository, or a time-stamping service (RFC 3161)."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from situs.errors import AnchorError
from situs.stores.anchors import GIT, KINDS, STAMP, Target
from situs.stores.chain import put_in_place, sync_path
from situs.stores.layout import parse, whole_lines_end

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

STAMPS = "anchors"
"""The folder in the data directory that keeps what was time-stamped."""

Dial = Callable[[str, int], socket.socket]

_BRANCH = "refs/heads/situs-anchors"
_FILE = "anchor.json"
_TIMEOUT_S = 20.0
_MOST_ANSWER = 1 << 20
_CERTIFICATES = 0xA0
_NOBODY = "0" * 40


def dialled(host: str, port: int) -> socket.socket:
    """A connection as anybody opens it. Raises OSError."""
    return socket.create_connection((host, port), timeout=_TIMEOUT_S)


def place(to: str, data_dir: Path, base: Path, dial: Dial = dialled) -> Target:
    """What `FILE`, `git:REPO` or `rfc3161:URL` says; paths begin at `base`.

    `dial` opens connections to a host and a port, or raises OSError. Raises AnchorError where the
    package that speaks RFC 3161 is missing.
    """
    if to.startswith(GIT):
        return GitBranch(base / Path(to.removeprefix(GIT)).expanduser())
    if to.startswith(STAMP):
        return Stamps(to.removeprefix(STAMP), data_dir / STAMPS, dial)
    return AnchorFile(base / Path(to).expanduser())


class AnchorFile:
    """A file that only grows, best on another machine's disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def anchors(self) -> list[bytes]:
        try:
            return self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _failed(self._path, error) from error

    def put(self, anchor: bytes) -> None:
        line = anchor + b"\n"
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                size = whole_lines_end(self._path)
                if size < os.fstat(fd).st_size:  # a line that was torn by a loss of power
                    os.ftruncate(fd, size)
                if os.write(fd, line) != len(line):
                    os.ftruncate(fd, size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(fd)
            finally:
                os.close(fd)
            sync_path(self._path.parent)
        except OSError as error:
            raise _failed(self._path, error) from error


class GitBranch:
    """A branch of its own in a repository, one commit an anchor; no work tree is touched."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    def anchors(self) -> list[bytes]:
        if self._tip() is None:
            return []
        commits = self._git("rev-list", "--reverse", _BRANCH).split()
        asked = b"".join(commit + b":" + _FILE.encode() + b"\n" for commit in commits)
        told = self._git("cat-file", "--batch", given=asked)
        found = []
        while told:
            head, _, told = told.partition(b"\n")
            size = head.split()[-1]
            if not size.isdigit():  # a commit of somebody else: it has no such file
                continue
            found.append(told[: int(size)].rstrip(b"\n"))
            told = told[int(size) + 1 :]
        return found

    def put(self, anchor: bytes) -> None:
        before = self._tip()
        blob = self._git("hash-object", "-w", "--stdin", given=anchor + b"\n").strip()
        tree = self._git("mktree", given=b"100644 blob " + blob + b"\t" + _FILE.encode() + b"\n")
        parents = [] if before is None else ["-p", before]
        message = "Checkpoints of receipts"
        commit = self._git("commit-tree", tree.decode().strip(), *parents, "-m", message)
        self._git("update-ref", _BRANCH, commit.decode().strip(), before or _NOBODY)

    def _tip(self) -> str | None:
        """The newest commit of the branch; None while there is none."""
        told = self._git("for-each-ref", "--format=%(objectname)", _BRANCH)
        return told.decode().strip() or None

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        who = {"NAME": "situs", "EMAIL": "situs@localhost"}
        own = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in who.items()}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        command = ("git", "-C", str(self._repository), *arguments)
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program, no shell
                command,
                input=given,
                capture_output=True,
                timeout=_TIMEOUT_S,
                env={**kept, **own, "LC_ALL": "C"},
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AnchorError(f"git does not work: {type(error).__name__}.") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise AnchorError(f"git {arguments[0]}, {self._repository}: {' '.join(said)}")
        return done.stdout


class Stamps:
    """A time-stamping service; anchors and what it says of them stay in `folder`.

    The anchor is `NAME.json`, the answer (RFC 3161, TimeStampResp) `NAME.tsr`. What leaves is the
    digest of the anchor. Whose signature a stamp has is not checked here, but by `check_stamps`.
    """

    def __init__(self, url: str, folder: Path, dial: Dial) -> None:
        _library()
        self._url = url
        self._folder = folder
        self._dial = dial

    def anchors(self) -> list[bytes]:
        return stamped(self._folder)

    def put(self, anchor: bytes) -> None:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        asked = TimestampRequestBuilder().data(anchor).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = _post(self._url, asked.as_bytes(), self._dial)
        check_stamp(anchor, answer, None, asked.nonce)
        name = sha256(anchor).hexdigest()[:16]
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            for end, content in (("tsr", answer), ("json", anchor + b"\n")):
                put_in_place(self._folder / f"{name}.{end}", content)
            sync_path(self._folder)
        except OSError as error:
            raise _failed(self._folder, error) from error


def anchors_at(where: str) -> list[bytes]:
    """Lines that somebody holds: in a file, a folder of time-stamped ones, or `git:REPOSITORY`.

    Raises AnchorError, also where there is none.
    """
    path = Path(where)
    if where.startswith(GIT):
        found = GitBranch(Path(where.removeprefix(GIT))).anchors()
    elif path.is_dir():
        found = stamped(path)
    else:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise AnchorError(f"{path} cannot be read: {error.strerror}.", do=KINDS) from error
        found = [line for line in content.splitlines() if line.strip()]
        if found and not content.endswith(b"\n") and parse(found[-1]) is None:
            found.pop()  # torn
    if not found:
        raise AnchorError(f"{where} holds no anchor.", do=KINDS)
    return found


def stamped(folder: Path) -> list[bytes]:
    """The anchors in a folder of time-stamped ones. Raises AnchorError."""
    try:
        return [path.read_bytes().rstrip(b"\n") for path in sorted(folder.glob("*.json"))]
    except OSError as error:
        raise _failed(folder, error) from error


def check_stamps(folder: Path, authority: Path) -> int:
    """Check every time stamp of a folder; how many there are. Raises AnchorError."""
    roots = certificates(authority)
    paths = sorted(folder.glob("*.json"))
    for path in paths:
        try:
            answer = path.with_suffix(".tsr").read_bytes()
        except OSError as error:
            raise _failed(path.with_suffix(".tsr"), error) from error
        check_stamp(path.read_bytes().rstrip(b"\n"), answer, roots, None)
    return len(paths)


def check_stamp(
    anchor: bytes, answer: bytes, authority: list[Certificate] | None, nonce: int | None
) -> None:
    """That the answer is a granted time stamp over this anchor. Raises AnchorError.

    Without `authority` nobody knows whose signature it is: then only what it says is checked.
    """
    from rfc3161_client import PKIStatus, VerifierBuilder
    from rfc3161_client import decode_timestamp_response as decode

    problem = None
    try:
        found = decode(_in_order(answer))
        if PKIStatus(found.status) is not PKIStatus.GRANTED:
            problem = f"it refused ({PKIStatus(found.status).name.lower()})"
        elif found.tst_info.message_imprint.message != sha256(anchor).digest():
            problem = "its stamp is of something else"
        elif nonce is not None and found.tst_info.nonce != nonce:
            problem = "its answer is an old one"
        elif authority is not None:
            VerifierBuilder(roots=authority).build().verify_message(found, anchor)
    except Exception as error:  # the parsers of certificates raise much more than ValueError
        problem = f"its answer is no time stamp that can be trusted ({type(error).__name__})"
    if problem is not None:
        raise AnchorError(f"The time-stamping service: {problem}.")


def _in_order(answer: bytes) -> bytes:
    """The answer with its certificates in the order of DER (X.690, 11.6); nothing signs that order.

    Many services do not sort them, OpenSSL's among them, and the package insists.
    """
    response = _elements(answer, *_elements(answer, 0, len(answer))[0][1:])
    if len(response) == 1:  # no token: it refused
        return answer
    content = _elements(answer, *response[1][1:])[1]
    signed = _elements(answer, *content[1:])[0]
    for tag, begin, end in _elements(answer, *signed[1:]):
        if tag == _CERTIFICATES:
            ends = [0, *(one[2] - begin for one in _elements(answer, begin, end))]
            parts = [answer[begin + a : begin + b] for a, b in itertools.pairwise(ends)]
            return answer[:begin] + b"".join(sorted(parts)) + answer[end:]
    return answer


def _elements(data: bytes, begin: int, end: int) -> list[tuple[int, int, int]]:
    """The elements of DER there: the tag, and where the content begins and ends."""
    found = []
    while begin < end:
        tag, length, content = data[begin], data[begin + 1], begin + 2
        if length & 0x80:
            content += length & 0x7F
            length = int.from_bytes(data[begin + 2 : content], "big")
        begin = content + length
        found.append((tag, content, begin))
    return found


def certificates(path: Path) -> list[Certificate]:
    """Those of a PEM file. Raises AnchorError."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise _failed(path, error) from error
    except ValueError as error:
        raise AnchorError(f"{path} holds no certificates in PEM.") from error


def _post(url: str, request: bytes, dial: Dial) -> bytes:
    """The body of the answer; redirects and proxies are not followed."""
    import http.client
    import ssl

    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection = http.client.HTTPConnection(host, port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.sock = dial(host, port)
        connection.sock.settimeout(_TIMEOUT_S)
        if secure:
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        kind = "application/timestamp-query"
        connection.request("POST", path, request, {"content-type": kind})
        answer = connection.getresponse()
        body = answer.read(_MOST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        raise AnchorError(f"The time-stamping service at {host}: {said}.") from error
    finally:
        with suppress(OSError):
            connection.close()
    if answer.status != http.client.OK:
        raise AnchorError(f"The time-stamping service at {host} answers with {answer.status}.")
    return body


def _library() -> None:
    """Raises AnchorError where the package is missing."""
    try:
        import rfc3161_client  # noqa: F401
    except ImportError as error:
        raise AnchorError(
            "Time-stamping needs the package rfc3161-client.", do='pip install "situs[rfc3161]"'
        ) from error


def _failed(path: Path, error: OSError) -> AnchorError:
    return AnchorError(f"{path}: {error.strerror}.")
