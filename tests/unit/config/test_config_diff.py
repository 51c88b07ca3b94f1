import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from situs.cli.config import config
from situs.config.diff import Weight, as_lines, diff, policy_digest
from situs.config.load import parse
from situs.config.tree import Config
from situs.errors import ConfigError, PolicyError
from situs.rego.library import shipped

TEXT = """\
version: 1
home: DE
server: {port: 7488}
labels:
  floors: {email: confidential}
loci:
  rack: {kind: on_prem, jurisdiction: DE, owned: true, training_use: none, retention: none}
  cloud: {
    kind: public_cloud, jurisdiction: FR, owned: false, key_custody: operator, retention: 30d,
    training_use: unknown
  }
models:
  m: {capability: small, context_tokens: 4096}
deployments:
  near:
    model: m
    locus: rack
    endpoint: {url: http://127.0.0.1:9/v1}
    price: {currency: EUR, prompt: 1, completion: 2}
  far:
    model: m
    locus: cloud
    endpoint: {url: https://llm.example.net/v1, key: env:FAR_KEY}
    price: {currency: EUR, prompt: 4, completion: 8}
  spare:
    model: m
    locus: rack
    endpoint: {url: http://127.0.0.1:8/v1}
    price: {currency: EUR, prompt: 4, completion: 8}
  backup:
    model: m
    locus: cloud
    endpoint: {url: https://backup.example.net/v1}
"""
EXTRA = """\
  further:
    model: m
    locus: cloud
    endpoint: {url: https://other.example.net/v1}
"""


PRICE = "    price: {currency: EUR, prompt: 4, completion: 8}"
LOOSER, JUDGED, PLAIN = Weight


def changed(*edits: tuple[str, str]) -> Config:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return parse(text)


def changes(*edits: tuple[str, str]):
    return diff(parse(TEXT), changed(*edits))


@pytest.mark.parametrize(
    ("old", "new", "path", "weight"),
    [
        ("port: 7488", "port: 7499", "server.port", PLAIN),
        ("port: 7488", "drain_s: 5", "server.drain_s", PLAIN),
        ("port: 7488", "host: 0.0.0.0", "server.host", LOOSER),
        ("port: 7488", "host: '::1'", "server.host", JUDGED),
        ("port: 7488", "require_key: true", "server.require_key", JUDGED),
        ("port: 7488", "allowed_hosts: [x]", "server.allowed_hosts", LOOSER),
        ("port: 7488", "allowed_origins: ['http://x']", "server.allowed_origins", LOOSER),
        ("prompt: 1,", "prompt: 1.5,", "deployments.near.price.prompt", PLAIN),
        ("context_tokens: 4096", "context_tokens: 8192", "models.m.context_tokens", PLAIN),
        ("env:FAR_KEY", "env:KEY_2", "deployments.far.endpoint.key", PLAIN),
        ("llm.example", "ai.example", "deployments.far.endpoint.url", JUDGED),
        ("locus: rack", "locus: cloud", "deployments.near.locus", JUDGED),
        ("locus: cloud", "locus: rack", "deployments.far.locus", LOOSER),
        ("email: confidential", "email: public", "labels.floors.email", LOOSER),
        ("email: confidential", "email: restricted", "labels.floors.email", JUDGED),
        ("{email: confidential}", "{}", "labels.floors.email", LOOSER),
        (
            "floors: {email: confidential}",
            "floors: {email: confidential}\n  lists: {own: {label: internal, keywords: [x]}}",
            "labels.lists.own",
            JUDGED,
        ),
        ("server:", "defaults: {label: internal}\nserver:", "defaults.label", JUDGED),
        ("server:", "defaults: {objective: best}\nserver:", "defaults.objective", PLAIN),
        ("server:", "policy: {paths: [x.rego]}\nserver:", "policy.paths", JUDGED),
        ("server:", "analysis: {names: never}\nserver:", "analysis.names", LOOSER),
        ("server:", "analysis: {names: always}\nserver:", "analysis.names", JUDGED),
        ("server:", "analysis: {deep: false}\nserver:", "analysis.deep", PLAIN),
        (
            "server:",
            "analysis: {artefacts: {names: trained-1}}\nserver:",
            "analysis.artefacts.names",
            JUDGED,
        ),
        ("home: DE", "home: FR", "home", LOOSER),
        ("home: DE", "home: AT", "home", JUDGED),
        ("public_cloud", "sovereign_cloud", "loci.cloud.kind", LOOSER),
        ("on_prem", "device", "loci.rack.kind", LOOSER),
        ("jurisdiction: FR", "jurisdiction: DE", "loci.cloud.jurisdiction", LOOSER),
        ("jurisdiction: FR", "jurisdiction: US", "loci.cloud.jurisdiction", JUDGED),
        ("training_use: unknown", "training_use: none", "loci.cloud.training_use", LOOSER),
        ("training_use: none", "training_use: allowed", "loci.rack.training_use", JUDGED),
        ("30d", "30d, evidence_until: 2027-06-30", "loci.cloud.evidence_until", JUDGED),
        ("retention: 30d", "retention: unknown", "loci.cloud.retention", JUDGED),
        ("key_custody: operator", "key_custody: customer", "loci.cloud.key_custody", LOOSER),
        ("30d", "30d, region: x", "loci.cloud.region", JUDGED),
        ("30d", "30d, egress_price: 1", "loci.cloud.egress_price", PLAIN),
    ],
)
def test_each_change_says_how_much_it_weighs(old, new, path, weight):
    (change,) = [one for one in changes((old, new)) if one.path == path]
    assert change.weight is weight
    assert change.old != change.new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("owned: false", "owned: false, region: x"),
        ("public_cloud", "sovereign_cloud"),
        ("retention: 30d", "retention: unknown"),
        ("key_custody: operator", "key_custody: customer"),
        ("training_use: none", "training_use: opt_out"),
        ("locus: cloud", "locus: rack"),
        ("email: confidential", "email: restricted"),
        ("    price: {currency: EUR, prompt: 1, completion: 2}\n", PRICE + "\n"),
    ],
)
def test_the_way_back_is_the_same_changes_turned_and_never_looser_both_ways(old, new):
    one, other = parse(TEXT), changed((old, new))
    there, back = ({c.path: c for c in diff(*pair)} for pair in ((one, other), (other, one)))
    assert there
    assert {path: (c.new, c.old) for path, c in back.items()} == {
        path: (c.old, c.new) for path, c in there.items()
    }
    assert [p for p in there if there[p].weight is back[p].weight is LOOSER] == []


@pytest.mark.parametrize(
    ("label", "leaves", "weight"),
    [
        ("public", "jurisdiction", LOOSER),
        ("restricted", "jurisdiction", JUDGED),
        ("internal", "anywhere", LOOSER),
    ],
)
def test_what_holds_of_a_data_set_is_a_matter_of_sovereignty(label, leaves, weight):
    def own(label, leaves):
        said = f"data: {{d: {{label: {label}, leaves: {leaves}, jurisdiction: DE}}}}"
        return changed(("server:", f"{said}\nserver:"))

    (change,) = diff(own("internal", "jurisdiction"), own(label, leaves))
    assert (change.weight, change.takes) == (weight, "reload")
    [added] = diff(parse(TEXT), own(label, leaves))
    assert list(as_lines([added])) == ["!  data.d: added"]


@pytest.mark.parametrize("new", ["host: '::1'", "drain_s: 5", "max_body_mb: 1"])
def test_what_belongs_to_the_process_takes_a_restart(new):
    found = changes(("port: 7488", f"port: 7488, {new}"))
    assert [(change.path.partition(".")[0], change.takes) for change in found] == [
        ("server", "restart")
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("prompt: 1,", "prompt: 2,"),
        ("home: DE", "home: AT"),
        ("email: confidential", "email: public"),
        ("server:", "policy: {paths: [x.rego]}\nserver:"),
        ("server:", "defaults: {stall_timeout_s: 1}\nserver:"),
        ("context_tokens: 4096", "context_tokens: 1"),
        ("owned: false", "owned: false, region: x"),
        ("server:", "tenants: {research: {objective: best}}\nserver:"),
        ("server:", "data: {d: {label: internal, jurisdiction: DE}}\nserver:"),
        ("server:", "currency: {code: EUR}\nserver:"),
    ],
)
def test_what_decides_requests_takes_a_reload(old, new):
    assert {change.takes for change in changes((old, new))} == {"reload"}


def test_a_place_that_becomes_owned_lets_more_pass():
    found = changes(
        ("kind: public_cloud", "kind: on_prem"),
        ("owned: false", "owned: true"),
        ("backup.example.net/v1}", "backup.example.net/v1}\n" + PRICE),
    )
    weights = {change.path: change.weight for change in found}
    assert weights["loci.cloud.owned"] is Weight.LOOSER
    assert weights["deployments.backup.price"] is Weight.PLAIN


def test_what_lets_fewer_in_turned_lets_more_in():
    strict = "port: 7488, host: '::1', require_key: true"
    wide = "port: 7488, host: '::', allowed_hosts: [x, y], allowed_origins: ['http://x']"
    pair = changed(("port: 7488", strict)), changed(("port: 7488", wide))
    there, back = ({change.path: change.weight for change in diff(*p)} for p in (pair, pair[::-1]))
    doors = ("allowed_hosts", "allowed_origins", "host", "require_key")
    assert there == {f"server.{door}": LOOSER for door in doors}
    assert back == {f"server.{door}": JUDGED for door in doors}


def test_http_without_tls_lets_more_pass():
    found = changes(
        ("https://llm.example.net/v1,", "http://llm.example.net/v1, insecure: true,"),
    )
    assert {c.path: c.weight for c in found} == {
        "deployments.far.endpoint.insecure": Weight.LOOSER,
        "deployments.far.endpoint.url": Weight.SOVEREIGNTY,
    }


def test_deployments_that_come_and_go_are_one_change_each():
    old, new = parse(TEXT), parse(TEXT + EXTRA)
    ((added,), (removed,)) = diff(old, new), diff(new, old)
    assert (added.path, added.kind, added.old) == ("deployments.further", "added", None)
    assert (removed.path, removed.kind, removed.new) == ("deployments.further", "removed", None)
    assert added.new == removed.old
    assert added.new["locus"] == "cloud"
    assert added.weight is Weight.SOVEREIGNTY


def test_the_gravest_come_first():
    found = changes(
        ("port: 7488", "port: 1"), ("email: confidential", "email: public"), ("FR", "US"),
        ("prompt: 1,", "prompt: 3,"),
    )  # fmt: skip
    assert [change.path for change in found] == [
        "labels.floors.email",
        "loci.cloud.jurisdiction",
        "deployments.near.price.prompt",
        "server.port",
    ]


def test_defaults_written_out_and_another_order_change_nothing():
    lines = TEXT.replace("port: 7488", "host: 127.0.0.1, port: 7488, drain_s: 20")
    head, _, deployments = lines.partition("deployments:\n")
    near, _, others = deployments.partition("  far:\n")
    assert diff(parse(TEXT), parse(f"{head}deployments:\n  far:\n{others}{near}")) == ()


def test_another_policy_behind_the_same_path_is_a_change(tmp_path):
    policy = tmp_path / "x.rego"
    one = changed(("server:", "policy: {paths: [x.rego]}\nserver:"))
    with pytest.raises(PolicyError):
        policy_digest(one, tmp_path)
    policy.write_text(shipped().read_text())
    before = policy_digest(one, tmp_path)
    policy.write_text(shipped().read_text() + "# the same, told apart\n")
    after = policy_digest(one, tmp_path)
    (change,) = diff(one, one, (before, after))
    assert (change.path, change.weight) == ("policy", Weight.SOVEREIGNTY)
    assert diff(one, one, (after, after)) == ()
    assert diff(one, one, (before, None)) == ()


# The command


def run(tmp_path: Path, old: str, new: str, *options: str) -> Result:
    (tmp_path / "old.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(new)
    paths = [str(tmp_path / name) for name in ("old.yaml", "new.yaml")]
    return CliRunner().invoke(config, ["diff", *paths, *options])


def test_the_command_says_nothing_of_the_same_and_exits_with_0(tmp_path):
    result = run(tmp_path, TEXT, TEXT)
    assert (result.exit_code, result.output) == (0, "")


def test_the_command_marks_what_lets_more_pass_and_exits_with_1(tmp_path):
    new = TEXT.replace("email: confidential", "email: public").replace("7488", "7499") + EXTRA
    result = run(tmp_path, TEXT, new)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        '!! labels.floors.email: "confidential" -> "public"',
        "!  deployments.further: added (m at cloud)",
        "   server.port: 7488 -> 7499  (takes a restart)",
    ]


def test_the_command_speaks_json(tmp_path):
    result = run(tmp_path, TEXT, TEXT.replace("7488", "7499"), "--json")
    assert json.loads(result.stdout) == [
        {
            "path": "server.port", "kind": "changed", "old": 7488, "new": 7499,
            "takes": "restart", "weight": "plain",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("policy", [None, "package situs\nallow contains\n"])
def test_a_policy_that_cannot_be_loaded_is_an_error(tmp_path, policy, swapped):
    if policy is not None:
        (tmp_path / "x.rego").write_text(policy)
    texts = [TEXT, TEXT.replace("server:", "policy: {paths: [x.rego]}\nserver:", 1)]
    result = run(tmp_path, *(reversed(texts) if swapped else texts))
    assert isinstance(result.exception, PolicyError)
    assert "x.rego" in result.exception.message


def test_a_file_that_is_not_sound_is_an_error(tmp_path):
    result = run(tmp_path, TEXT, TEXT.replace("port:", "prot:"))
    assert isinstance(result.exception, ConfigError)
    assert "new.yaml:3: server.prot: no such setting" in result.exception.message
