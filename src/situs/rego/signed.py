"""Signatures of OPA's bundles: which files there are, and what each is, by a key that is known.

Source: https://www.openpolicyagent.org/docs/management-bundles#signing

What verifies is imported where it is used: most starts have no signature to check.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from situs.errors import PolicyError

_HASHES: Final[Mapping[str, Callable[[bytes], hashlib._Hash]]] = {
    "SHA-256": hashlib.sha256,
    "SHA-384": hashlib.sha384,
    "SHA-512": hashlib.sha512,
}
_STRUCTURED: Final = frozenset({"data.json", ".manifest"})
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384"}
_SHORTEST: Final = 32
"""Characters of a shared secret (RFC 7518, 3.2: as long as the hash)."""


class Key(Struct, frozen=True):
    """What verifies, and with which algorithm: that is the key's to say, never the signature's."""

    material: str
    algorithm: str

    def __repr__(self) -> str:
        return f"Key({self.algorithm})"


class _Signatures(Struct):
    signatures: list[str]


class _File(Struct):
    name: str
    hash: str
    algorithm: str


class _Payload(Struct):
    files: list[_File]
    scope: str = ""


def public_key(pem: str, shown: str) -> Key:
    """A public key or a certificate: ES256, ES384 or RS256 by its kind. Raises PolicyError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        data = pem.encode()
        if "BEGIN CERTIFICATE" in pem:
            key: Any = load_pem_x509_certificate(data).public_key()
        else:
            key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong(shown, "there is no public key in PEM here") from None
    if isinstance(key, RSAPublicKey) and key.key_size >= 2048:
        return Key(pem, "RS256")
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return Key(pem, _CURVES[key.curve.name])
    raise _wrong(shown, "expected a key on P-256 or P-384, or RSA of 2048 bits or more")


def shared_secret(secret: str, shown: str) -> Key:
    """HS256. Raises PolicyError for one that is too short."""
    if len(secret) < _SHORTEST:
        raise _wrong(shown, f"expected at least {_SHORTEST} characters")
    return Key(secret, "HS256")


def verify(files: Mapping[str, bytes], signatures: bytes, key: Key, shown: str) -> None:
    """Raises PolicyError unless the files are just those that were signed, each as it was."""
    signed = {
        posixpath.normpath("/" + one.name).lstrip("/"): one
        for one in _payload(signatures, key, shown).files
    }
    for name in sorted(signed.keys() - files.keys()):
        raise _wrong(shown, f"{name} was signed and is missing")
    for name, content in sorted(files.items()):
        one = signed.get(name)
        if one is None:
            raise _wrong(shown, f"{name} was not signed")
        if one.algorithm not in _HASHES:
            raise _wrong(shown, f"{name} has no digest of {', '.join(_HASHES)}")
        found = _HASHES[one.algorithm](_canonical(name, content, shown)).hexdigest()
        if not hmac.compare_digest(found, one.hash.lower()):
            raise _wrong(shown, f"{name} is not what was signed")


def _payload(signatures: bytes, key: Key, shown: str) -> _Payload:
    import jwt

    try:
        [token] = msgspec.json.decode(signatures, type=_Signatures).signatures
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise _wrong(shown, "expected one signature in .signatures.json") from None
    options: Any = {"verify_iat": False, "verify_aud": False, "verify_iss": False}
    try:
        claims = jwt.decode(token, key.material, algorithms=[key.algorithm], options=options)
        payload = msgspec.convert(claims, _Payload)
    except jwt.ExpiredSignatureError:
        raise _wrong(shown, "the signature has expired") from None
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, msgspec.ValidationError):
        raise _wrong(shown, f"the signature is not one of this key ({key.algorithm})") from None
    if payload.scope:
        raise _wrong(shown, "the signature is for a scope, which is not supported")
    return payload


def _canonical(name: str, content: bytes, shown: str) -> bytes:
    """What is hashed: of a structured file its values, so that white space does not count."""
    if posixpath.basename(name) not in _STRUCTURED:
        return content
    try:
        value = json.loads(content, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
        return "".join(_walk(value)).encode()
    except (ValueError, RecursionError):
        raise _wrong(shown, f"{name} is no JSON") from None


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield "{"
        for place, name in enumerate(sorted(value)):
            yield "," if place else ""
            yield _text(name) + ":"
            yield from _walk(value[name])
        yield "}"
    elif isinstance(value, list):
        yield "["
        for place, one in enumerate(value):
            yield "," if place else ""
            yield from _walk(one)
        yield "]"
    elif isinstance(value, _Number):
        yield value
    else:
        yield _text(value)


def _text(value: Any) -> str:
    """As Go writes it: these two line separators are escaped, other text is not."""
    said = json.dumps(value, ensure_ascii=False)
    return said.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _wrong(shown: str, what: str) -> PolicyError:
    do = "Sign the bundle again with `opa sign`, and set policy.bundle.key to the key for it."
    return PolicyError(f"{shown}: {what}.", do=do)
