"""The section `policy`: what contradicts itself, or has no effect, is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from tests.e2e.stage import fleet
from tests.unit.rego.test_bundle import EC, REGO, SECRET, by_ec, packed, pem

from situs.config.check import check_file
from situs.config.load import examine
from situs.config.policy_source import bundle_key, policy_checked, policy_url
from situs.config.problems import Report
from situs.config.tree import Config
from situs.errors import ConfigError, PolicyError

BASE = {
    **fleet({}),
    "loci": {"a": {"kind": "device", "jurisdiction": "AU", "owned": True}},
    "models": {"m": {"capability": "tiny", "context_tokens": 4096}},
    "deployments": {
        "d": {
            "model": "m",
            "locus": "a",
            "endpoint": {"url": "http://127.0.0.1:1/v1"},
            "price": {"currency": "USD", "prompt": 1, "completion": 1},
        }
    },
}
URL = "https://policies.example.org/b.tar.gz"


def text_of(policy: dict[str, Any]) -> str:
    return yaml.safe_dump({**BASE, "policy": policy})


def config_of(policy: dict[str, Any]) -> Config:
    config = examine(text_of(policy), Report("f")).config
    assert config is not None
    return config


@pytest.mark.parametrize(
    ("policy", "at", "said"),
    [
        (
            {"engine": {"kind": "opa", "url": "http://opa.example.org"}},
            "policy.engine.url",
            "http without TLS",
        ),
        (
            {"engine": {"kind": "opa", "url": "http://127.0.0.1", "insecure": True}},
            "policy.engine.insecure",
            "has no effect",
        ),
        (
            {"engine": {"kind": "opa", "url": "https://u:p@example.org"}},
            "policy.engine.url",
            "credentials",
        ),
        (
            {"engine": {"kind": "opa", "url": "https://example.org"}, "paths": ["x"]},
            "policy.paths",
            "has no effect",
        ),
        (
            {"engine": {"kind": "opa", "url": "https://e.org", "path": "a.b"}},
            "policy.engine.path",
            "expected names with /",
        ),
        (
            {"engine": {"kind": "opa", "url": "https://e.org", "deadline_ms": 0}},
            "policy.engine.deadline_ms",
            "above 0",
        ),
        ({"engine": {"kind": "cedar"}}, "policy.engine.kind", "embedded, opa"),
        ({"bundle": {}}, "policy.bundle", "exactly one of path and url"),
        ({"bundle": {"path": "b", "url": URL}}, "policy.bundle", "exactly one of path and url"),
        ({"bundle": {"url": URL}}, "policy.bundle", "needs a key"),
        (
            {"bundle": {"url": URL, "key": "k", "secret": "env:S"}},
            "policy.bundle.secret",
            "has no effect beside",
        ),
        ({"bundle": {"path": "b", "token": "env:T"}}, "policy.bundle.token", "has no effect"),
        ({"bundle": {"path": "b", "insecure": True}}, "policy.bundle.insecure", "has no effect"),
        (
            {"bundle": {"url": "http://e.org/b", "key": "k"}},
            "policy.bundle.url",
            "http without TLS",
        ),
        ({"bundle": {"path": "b"}, "paths": ["x"]}, "policy.paths", "has no effect beside"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(policy, at, said):
    problems = [f"{one.path}: {one.what}" for one in examine(text_of(policy), Report("f")).problems]
    assert len(problems) == 1, problems
    assert problems[0].startswith(at)
    assert said in problems[0]


def test_where_a_policy_comes_from_over_a_network_is_known():
    opa = {"engine": {"kind": "opa", "url": "https://opa.example.org"}}
    assert policy_url(config_of(opa)) == "https://opa.example.org"
    assert policy_url(config_of({"bundle": {"url": URL, "key": "k"}})) == URL
    assert policy_url(config_of({"bundle": {"path": "b"}})) is None
    assert policy_url(config_of({})) is None


def test_a_bundle_is_read_beside_the_file_and_verified(tmp_path):
    (tmp_path / "b.tar.gz").write_bytes(packed(by_ec()))
    (tmp_path / "k.pem").write_text(pem(EC))
    config = config_of({"bundle": {"path": "b.tar.gz", "key": "k.pem"}})
    checked = policy_checked(config, tmp_path, tmp_path / "data")
    assert checked.source.revision == "rev-7"
    (tmp_path / "b.tar.gz").write_bytes(packed({"p.rego": REGO.encode()}))
    with pytest.raises(PolicyError, match="is not signed"):
        policy_checked(config, tmp_path, tmp_path / "data")


def test_a_bundle_of_a_url_is_the_one_that_was_kept(tmp_path):
    (tmp_path / "k.pem").write_text(pem(EC))
    config = config_of({"bundle": {"url": URL, "key": "k.pem"}})
    with pytest.raises(PolicyError, match="was not fetched"):
        policy_checked(config, tmp_path, tmp_path)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "bundle.tar.gz").write_bytes(packed(by_ec()))
    assert policy_checked(config, tmp_path, tmp_path).source.revision == "rev-7"


def test_of_a_server_only_its_name_is_known(tmp_path):
    one, other = (
        policy_checked(
            config_of({"engine": {"kind": "opa", "url": "https://e.org", "path": path}}),
            tmp_path,
            tmp_path,
        )
        for path in ("situs", "acme/placement")
    )
    assert one.elsewhere
    assert one.digest != other.digest
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=type(one)) == one


def test_a_key_that_cannot_be_read_and_a_secret_that_is_not_here_are_said(tmp_path, monkeypatch):
    def key_of(**bundle: str) -> Any:
        found = config_of({"bundle": {"path": "b", **bundle}}).policy.bundle
        assert found is not None
        return bundle_key(found, tmp_path)

    with pytest.raises(PolicyError, match=r"policy\.bundle\.key: .*k\.pem"):
        key_of(key="k.pem")
    with pytest.raises(ConfigError, match=r"policy\.bundle\.secret"):
        key_of(secret="env:SITUS_TEST_BUNDLE_SECRET")
    monkeypatch.setenv("SITUS_TEST_BUNDLE_SECRET", SECRET)
    assert key_of(secret="env:SITUS_TEST_BUNDLE_SECRET").algorithm == "HS256"
    assert key_of() is None


def test_config_check_tells_what_is_wrong_in_a_bundle(tmp_path):
    (tmp_path / "situs.yaml").write_text(text_of({"bundle": {"path": "b.tar.gz"}}))
    [missing] = check_file(tmp_path / "situs.yaml", {}).problems
    assert missing.path == "policy.bundle"
    assert "cannot be read" in missing.what
    files = {
        "p.rego": REGO.replace("locus.kind", "locus.knd").encode(),
        "data.json": b'{"trust": {"kinds": []}}',
    }
    (tmp_path / "b.tar.gz").write_bytes(packed(files))
    [wrong] = check_file(tmp_path / "situs.yaml", {}).problems
    assert "input has no deployments.*.locus.knd" in wrong.what
    assert wrong.line == 3
