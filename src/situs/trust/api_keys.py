"""Tenants' API keys: who presents one, and the file they are kept in, `DATA/keys/api_keys.json`.

A key is `situs_ID_SECRET`. The secret is 256 random bits, so SHA-256 of the whole key is all that
is stored: a slow hash protects what can be guessed, and this cannot. For the same reason a look-up
by digest tells a stopwatch nothing: without a key nobody can choose what its digest is like.
"""

from __future__ import annotations

import fcntl
import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from situs.core.request import Principal
from situs.errors import OperatorError

_log = logging.getLogger(__name__)

PREFIX = "situs_"
"""What every key begins with, so that secret scanners, ours included, know one."""

MAX_BYTES = 16 * 1024 * 1024
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256

Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}$")]
"""A name, a tenant, a group: it stands in receipts and in what policy reads."""

_is_word = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}").fullmatch


class Scope(StrEnum):
    """What a key may be used for; neither includes the other."""

    INFERENCE = "inference"
    ADMIN = "admin"


class Refusal(StrEnum):
    """Why a key is refused, as a code of `situs.errors`. A revoked key is as good as unknown."""

    UNKNOWN = "invalid_key"
    EXPIRED = "key_expired"


class Grants(Struct, frozen=True, kw_only=True):
    """What a key says of its holder. `expires` is wall time in seconds, `rpm` requests a minute."""

    name: Word
    tenant: Word = "default"
    groups: tuple[Word, ...] = ()
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)] = (Scope.INFERENCE,)
    expires: float | None = None
    rpm: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None


class ApiKey(Grants, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key as it is kept. `digest` is SHA-256 of the whole key in hex."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$")]
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    created: float
    revoked: float | None = None

    def usable(self, scope: Scope, now: float) -> bool:
        return scope in self.scopes and self.refused(now) is None

    def refused(self, now: float) -> Refusal | None:
        """Whether its holder is turned away at `now`, wall time in seconds."""
        if self.revoked is not None:
            return Refusal.UNKNOWN
        if self.expires is not None and now >= self.expires:
            return Refusal.EXPIRED
        return None


class Identity(Struct, frozen=True):
    """Who asks, what for, and how often it may."""

    principal: Principal
    scopes: frozenset[Scope]
    rpm: int | None = None


class KeyTable(Struct, frozen=True):
    """Every key by its digest; a value that can be sent to other processes as JSON."""

    by_digest: dict[str, ApiKey] = {}

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        return tuple(self.by_digest.values())

    def identify(self, presented: bytes, now: float) -> Identity | Refusal:
        """Whose key this is. Expiry is looked at here, so a table need not be made anew for it."""
        digest = sha256(presented).hexdigest()
        key = self.by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            return Refusal.UNKNOWN
        refused = key.refused(now)
        if refused is not None:
            return refused
        principal = Principal(tenant=key.tenant, key=key.id, groups=key.groups)
        return Identity(principal, frozenset(key.scopes), key.rpm)

    def lets_in(self, scope: Scope, now: float) -> bool:
        """Whether at least one key can be used for it."""
        return any(key.usable(scope, now) for key in self.keys)

    def limits(self) -> dict[str, int]:
        """Requests a minute by the key's id, of those that have such a limit and may be used."""
        return {k.id: k.rpm for k in self.keys if k.rpm is not None and k.revoked is None}


NO_KEYS = KeyTable()


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    keys: tuple[ApiKey, ...]


def keys_path(data_dir: Path) -> Path:
    return data_dir / "keys" / "api_keys.json"


def is_word(text: str) -> bool:
    """Whether `text` can be a name, a tenant or a group."""
    return _is_word(text) is not None


def load_keys(data_dir: Path) -> KeyTable:
    """The table; empty without a file.

    Raises OperatorError when the file cannot be read, others may write it, or it is not a table.
    """
    path = keys_path(data_dir)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return NO_KEYS
    except OSError as error:
        raise OperatorError(
            f"The API keys in {path} cannot be read: {error.strerror}.",
            do="Mend the permissions of the keys directory.",
        ) from None
    if mode & 0o022:
        raise OperatorError(
            f"The API keys in {path} can be changed by others.", do=f"Run: chmod 600 {path}"
        )
    return _table(raw, path)


def _table(raw: bytes, path: Path) -> KeyTable:
    try:
        if len(raw) > MAX_BYTES:
            raise ValueError("too large")
        keys = msgspec.json.decode(raw, type=_File).keys
        if len({key.id for key in keys}) < len(keys) or len({k.digest for k in keys}) < len(keys):
            raise ValueError("a key twice")
    except ValueError as error:  # of msgspec: names, types and places
        raise OperatorError(
            f"{path} is no table of API keys: {error}.", do="Restore it from a backup."
        ) from None
    return KeyTable({key.digest: key for key in keys})


def create_key(data_dir: Path, grants: Grants, now: float) -> tuple[ApiKey, str]:
    """A new key, kept; what is kept, and the key itself, which nothing else can tell again.

    Raises OperatorError when the table cannot be read or written.
    """
    fields = msgspec.structs.asdict(grants)
    with _editing(data_dir) as (table, write):
        taken = {key.id for key in table.keys}
        name = next(name for name in iter(lambda: secrets.token_hex(4), "") if name not in taken)
        text = f"{PREFIX}{name}_{_secret()}"
        digest = sha256(text.encode()).hexdigest()
        key = ApiKey(id=name, digest=digest, created=now, **fields)
        write(KeyTable({**table.by_digest, digest: key}))
    return key, text


def revoke_key(data_dir: Path, key_id: str, now: float) -> ApiKey:
    """The key, revoked now or before. Raises OperatorError for an id that no key has."""
    with _editing(data_dir) as (table, write):
        for key in table.keys:
            if key.id == key_id:
                break
        else:
            raise OperatorError("No key has this id.", do="See `situs keys list`.")
        if key.revoked is None:
            key = msgspec.structs.replace(key, revoked=now)
            write(KeyTable({**table.by_digest, key.digest: key}))
        return key


def _secret() -> str:
    """256 random bits in base 62, always of one length."""
    number = int.from_bytes(secrets.token_bytes(32), "big")
    digits = []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(digits)


@contextmanager
def _editing(data_dir: Path) -> Iterator[tuple[KeyTable, Callable[[KeyTable], None]]]:
    """The table, and what replaces it; one process at a time."""
    path = keys_path(data_dir)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield load_keys(data_dir), lambda table: _replace(path, table)
    finally:
        os.close(lock)


def _replace(path: Path, table: KeyTable) -> None:
    """Whole or not at all, and still there after a loss of power."""
    content = msgspec.json.format(msgspec.json.encode(_File(1, table.keys)))
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.unlink(missing_ok=True)
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(fd)
        scratch.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"The API keys in {path} cannot be written: {error.strerror}.",
        do="Free disk space, or mend the permissions of the keys directory.",
    )


class KeyFile:
    """Follows the file: `table` is the last good one. Opening raises what `load_keys` raises."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._seen = self._signature()
        self.table = load_keys(data_dir)

    def poll(self) -> KeyTable | None:
        """The new table after a change, else None.

        A table that cannot be read is told to the log, once a change, and the last good one stays.
        A file that is gone is an empty table: nobody is let in by what no longer exists.
        """
        seen = self._signature()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            table = load_keys(self._data_dir)
        except OperatorError as error:
            _log.error("%s The keys read before stay in force.", error.message)
            return None
        if table == self.table:
            return None
        self.table = table
        return table

    def _signature(self) -> tuple[int, ...] | None:
        try:
            stat = keys_path(self._data_dir).stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
