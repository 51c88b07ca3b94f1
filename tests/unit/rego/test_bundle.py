"""Bundles: what is read, and each way in which one is not believed."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import tarfile
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from situs.errors import PolicyError
from situs.rego.bundle import read_bundle, read_source
from situs.rego.embedded import check_source, report
from situs.rego.engine import make_ready
from situs.rego.signed import Key, public_key, shared_secret

REGO = """package situs
import rego.v1
allow contains d.name if { some d in input.deployments; d.locus.kind in data.trust.kinds }
deny contains {"deployment": d.name, "code": "c"} if { some d in input.deployments; false }
"""
FILES = {
    "placement/p.rego": REGO.encode(),
    "placement/p_test.rego": b"package p_test\n",
    "trust/data.json": '{"kinds": ["on_prem", "edge"], "price": 1.50, "a": "ä<\\u2028>"}'.encode(),
    "data.json": b'{"about": {"owner": "us"}}',
    ".manifest": b'{"revision": "rev-7", "roots": [""]}',
}
EC = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
SECRET = "not-a-secret-" * 3


def pem(key: Any) -> str:
    told: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return told.decode()


def packed(files: dict[str, bytes], prefix: str = "/") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def digest(name: str, content: bytes) -> str:
    """Of data, of its values as compact JSON in the order of the keys."""
    if name.endswith(("data.json", ".manifest")):
        compact = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
        text = json.dumps(json.loads(content, parse_float=_Written), **compact)  # type: ignore[arg-type]
        text = text.replace('"~1.50"', "1.50").replace("\u2028", "\\u2028")
        content = text.encode()
    return hashlib.sha256(content).hexdigest()


class _Written(str):
    def __new__(cls, text: str):
        return super().__new__(cls, f"~{text}")


def signed(files: dict[str, bytes], key: Any, algorithm: str, **claims: Any) -> dict[str, bytes]:
    listed = [
        {"name": name, "hash": digest(name, content), "algorithm": "SHA-256"}
        for name, content in files.items()
    ]
    token = jwt.encode({"files": listed, **claims}, key, algorithm)
    return {**files, ".signatures.json": json.dumps({"signatures": [token]}).encode()}


def by_ec(files: dict[str, bytes] = FILES, **claims: Any) -> dict[str, bytes]:
    return signed(files, EC, "ES256", **claims)


EC_KEY = public_key(pem(EC), "k.pem")


def test_a_bundle_has_its_modules_its_data_and_its_revision():
    source = read_bundle(packed(FILES), None, "b.tar.gz")
    assert [(one.name, one.shown) for one in source.modules] == [
        ("placement/p.rego", "b.tar.gz:placement/p.rego")
    ]
    assert source.data["trust"]["kinds"] == ["on_prem", "edge"]
    assert source.data["about"] == {"owner": "us"}
    assert source.revision == "rev-7"


def test_its_policy_judges_by_its_data():
    policy = make_ready(check_source(read_bundle(packed(FILES), None, "b")))
    answer = policy.evaluate(b'{"deployments": [{"name": "x", "locus": {"kind": "edge"}}]}')
    assert answer == {"allow": ["x"], "deny": []}


def test_data_and_revision_are_in_the_digest():
    def of(**files: bytes) -> str:
        return read_bundle(packed({**FILES, **files}), None, "b").digest

    other_data = of(**{"data.json": b'{"about": {"owner": "them"}}'})
    other_revision = of(**{".manifest": b'{"revision": "rev-8"}'})
    assert len({of(), other_data, other_revision}) == 3
    assert of(**{"data.json": b'{"about":   {"owner":"us"}}'}) == of()


def test_data_that_is_not_there_is_a_problem_and_what_is_there_is_none():
    text = (
        REGO + "x if data.trust.kind\ny if data.trust.kinds[_] == data.about.owner\nz if data.no\n"
    )
    source = read_bundle(packed({**FILES, "placement/p.rego": text.encode()}), None, "b")
    assert [one.what for one in report(source).problems] == [
        "there is no rule data.trust.kind",
        "there is no rule data.no",
    ]


@pytest.mark.parametrize(
    ("private", "algorithm", "key"),
    [
        (EC, "ES256", EC_KEY),
        (P384, "ES384", public_key(pem(P384), "k")),
        (RSA, "RS256", public_key(pem(RSA), "k")),
        (SECRET, "HS256", shared_secret(SECRET, "s")),
    ],
)
def test_a_signature_of_its_key_is_believed(private, algorithm, key):
    files = signed(FILES, private, algorithm, iat=int(time.time()) + 60)
    assert read_bundle(packed(files), key, "b").revision == "rev-7"
    assert read_bundle(packed(files, prefix="./"), key, "b").revision == "rev-7"


def test_white_space_in_data_is_not_signed_and_values_are():
    files = by_ec()
    spaced = {**files, "data.json": b'{ "about":\n {"owner": "us"} }'}
    assert read_bundle(packed(spaced), EC_KEY, "b").data["about"] == {"owner": "us"}


def changed(**files: bytes | None) -> dict[str, bytes]:
    kept: dict[str, bytes | None] = {**by_ec(), **files}
    return {name: content for name, content in kept.items() if content is not None}


def tampered_token() -> dict[str, bytes]:
    files = by_ec()
    [token] = json.loads(files[".signatures.json"])["signatures"]
    head, _, tail = token.split(".")
    body = jwt.utils.base64url_encode(json.dumps({"files": []}).encode()).decode()
    said = {"signatures": [f"{head}.{body}.{tail}"]}
    return {**FILES, ".signatures.json": json.dumps(said).encode()}


def two_tokens() -> dict[str, bytes]:
    said = json.loads(by_ec()[".signatures.json"])["signatures"] * 2
    return {**FILES, ".signatures.json": json.dumps({"signatures": said}).encode()}


WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "no signature": (FILES, "is not signed"),
    "a policy that was changed": (
        changed(**{"placement/p.rego": REGO.encode() + b"#"}),
        "placement/p.rego is not what was signed",
    ),
    "data that was changed": (
        changed(**{"data.json": b'{"about": {"owner": "them"}}'}),
        "data.json is not what was signed",
    ),
    "a number written otherwise": (
        changed(**{"trust/data.json": FILES["trust/data.json"].replace(b"1.50", b"1.5")}),
        "trust/data.json is not what was signed",
    ),
    "another revision": (
        changed(**{".manifest": b'{"revision": "rev-9", "roots": [""]}'}),
        ".manifest is not what was signed",
    ),
    "one file more": (changed(**{"more.rego": b"package situs.x\n"}), "more.rego was not signed"),
    "one file less": (changed(**{"data.json": None}), "data.json was signed and is missing"),
    "another key": (signed(FILES, RSA, "RS256"), "is not one of this key (ES256)"),
    "another key of its kind": (
        signed(FILES, ec.generate_private_key(ec.SECP256R1()), "ES256"),
        "is not one of this key (ES256)",
    ),
    "no algorithm": (signed(FILES, None, "none"), "is not one of this key (ES256)"),
    "other claims": (tampered_token(), "is not one of this key (ES256)"),
    "two signatures": (two_tokens(), "expected one signature"),
    "an expired signature": (by_ec(exp=int(time.time()) - 60), "has expired"),
    "a scope": (by_ec(scope="write"), "is for a scope"),
    "no JSON": ({**FILES, ".signatures.json": b"{"}, "expected one signature"),
    "no list of files": (
        {
            **FILES,
            ".signatures.json": json.dumps(
                {"signatures": [jwt.encode({"iss": "x"}, EC, "ES256")]}
            ).encode(),
        },
        "is not one of this key",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_signature_that_is_not_of_just_these_files_is_refused(name):
    files, said = WRONG[name]
    with pytest.raises(PolicyError) as refused:
        read_bundle(packed(files), EC_KEY, "b.tar.gz")
    assert said in refused.value.message


def test_the_public_key_is_no_shared_secret():
    """A signature by HS256 with the public key's text, which everybody may have."""
    text = pem(EC).encode()
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}')
    listed = [{"name": n, "hash": digest(n, c), "algorithm": "SHA-256"} for n, c in FILES.items()]
    body = jwt.utils.base64url_encode(json.dumps({"files": listed}).encode())
    mac = hmac.new(text, header + b"." + body, hashlib.sha256).digest()
    token = b".".join([header, body, jwt.utils.base64url_encode(mac)]).decode()
    files = {**FILES, ".signatures.json": json.dumps({"signatures": [token]}).encode()}
    with pytest.raises(PolicyError, match="not one of this key"):
        read_bundle(packed(files), EC_KEY, "b")


def test_a_signed_bundle_without_a_key_is_not_taken_for_verified():
    with pytest.raises(PolicyError, match="no key to verify it"):
        read_bundle(packed(by_ec()), None, "b")


def linked() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("p.rego")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return out.getvalue()


def sparse() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        member = tarfile.TarInfo("p.rego")
        member.type = tarfile.GNUTYPE_SPARSE
        archive.addfile(member)
    return out.getvalue()


def large() -> bytes:
    return packed({"x.bin": bytes(65 * 1024 * 1024)})


NO_BUNDLE: dict[str, tuple[Any, str]] = {
    "text": (lambda: b"package situs\n", "is no tar.gz archive"),
    "nothing": (lambda: b"", "is no tar.gz archive"),
    "half an archive": (lambda: packed(FILES)[:-200], "is no tar.gz archive"),
    "a link": (linked, "has p.rego, which is no plain file"),
    "a file with holes": (sparse, "has p.rego, which is no plain file"),
    "a bomb": (large, "has more than"),
    "no policy": (lambda: packed({"data.json": b"{}"}), "has no policy"),
    "YAML": (lambda: packed({**FILES, "data.yaml": b"a: 1"}), "has data.yaml, which is not read"),
    "a delta": (lambda: packed({**FILES, "patch.json": b"{}"}), "has patch.json"),
    "Rego v0": (lambda: packed({**FILES, ".manifest": b'{"rego_version": 0}'}), "is Rego v0"),
    "a manifest": (lambda: packed({**FILES, ".manifest": b"["}), "has a .manifest that cannot"),
    "a list": (lambda: packed({**FILES, "data.json": b"[]"}), "data.json, which is no JSON object"),
    "no UTF-8": (lambda: packed({**FILES, "q.rego": b"\xff"}), "q.rego, which is not UTF-8"),
    "rules' place": (
        lambda: packed({**FILES, "situs/data.json": b'{"allow": ["x"]}'}),
        "has data under situs",
    ),
    "a value twice": (
        lambda: packed({**FILES, "data.json": b'{"trust": {"kinds": []}}'}),
        "says data.….kinds twice",
    ),
    "a file twice": (
        lambda: packed({**FILES, "./data.json": b'{"about": {}}'}),
        "has data.json twice",
    ),
    "a value where a folder is": (
        lambda: packed({**FILES, "data.json": b'{"trust": 1}'}),
        "says data.….trust twice",
    ),
}


@pytest.mark.parametrize("name", NO_BUNDLE)
def test_what_is_no_bundle_is_refused(name):
    make, said = NO_BUNDLE[name]
    with pytest.raises(PolicyError) as refused:
        read_bundle(make(), None, "b.tar.gz")
    assert refused.value.message.startswith("b.tar.gz: the bundle ")
    assert said in refused.value.message


SIGNED = packed(by_ec())


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_bytes_that_were_changed_are_refused_or_say_the_same(place, by):
    other = SIGNED[:place] + bytes([SIGNED[place] ^ by]) + SIGNED[place + 1 :]
    try:
        source = read_bundle(other, EC_KEY, "b")
    except PolicyError:
        return
    assert source == read_bundle(SIGNED, EC_KEY, "b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP521R1())),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
    ],
)
def test_a_key_that_cannot_verify_is_refused(text):
    with pytest.raises(PolicyError, match=r"k\.pem"):
        public_key(text, "k.pem")


def test_a_short_secret_is_refused_and_no_key_shows_itself():
    with pytest.raises(PolicyError, match="32 characters"):
        shared_secret("short", "policy.bundle.secret")
    assert repr(shared_secret(SECRET, "s")) == "Key(HS256)" == repr(Key(SECRET, "HS256"))


def test_a_bundle_is_named_alone(tmp_path):
    (tmp_path / "b.tar.gz").write_bytes(packed(FILES))
    assert read_source([tmp_path / "b.tar.gz"]).revision == "rev-7"
    with pytest.raises(PolicyError, match="name it alone"):
        read_source([tmp_path / "b.tar.gz", tmp_path])
    with pytest.raises(PolicyError, match="cannot be read"):
        read_source([tmp_path / "c.tar.gz"])
