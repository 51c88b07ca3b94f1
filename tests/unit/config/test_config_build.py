import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from situs.analysis.labels import DEFAULT_FLOORS
from situs.config.build import (
    base_url,
    files_of,
    fleet_digest,
    fleet_document,
    fleet_of,
    labels_of,
    policy_paths,
    tables_of,
    upstream_model,
)
from situs.config.load import default_config, load, parse
from situs.core.capability import CapabilityClass
from situs.core.fleet import LocusKind
from situs.core.label import Label
from situs.core.request import Modality, Service
from situs.errors import WeightsError

EXAMPLE = Path(__file__).parents[3] / "examples" / "situs.example.yaml"
WEIGHTS = {"SmolLM2-135M-Instruct.Q4_1": "ab" * 32, "all-MiniLM-L6-v2.int8": "cd" * 32}


def test_a_fleet_carries_everything_that_the_file_says():
    there, embeds, here = fleet_of(load(EXAMPLE), WEIGHTS)
    assert (here.name, here.node, here.max_in_flight) == ("local-smollm2", "local", 8)
    assert (here.locus.name, here.locus.kind) == ("workstation", LocusKind.DEVICE)
    assert here.price is not None
    assert (here.price.currency, round(here.price.completion, 3)) == ("USD", 1.586)
    assert here.model.weights == WEIGHTS["SmolLM2-135M-Instruct.Q4_1"]
    assert (there.node, there.model.weights) == ("llm.example.com", None)
    assert there.model.capability is CapabilityClass.FRONTIER
    assert there.model.modalities == {Modality.TEXT, Modality.IMAGE}
    assert there.locus.egress_price > 0
    assert embeds.model.serves == {Service.EMBEDDINGS}
    assert embeds.model.weights == WEIGHTS["all-MiniLM-L6-v2.int8"]


def test_what_the_runtimes_load_is_named_once():
    assert files_of(load(EXAMPLE)) == (*WEIGHTS, "all-MiniLM-L6-v2.tokenizer")


def test_a_runtime_narrows_the_context_of_its_model():
    text = EXAMPLE.read_text().replace(
        "      context_tokens: 4096          # of", "      context_tokens: 1024  # of"
    )
    _, _, here = fleet_of(parse(text), WEIGHTS)
    assert here.model.context_tokens == 1024


def test_an_endpoint_never_carries_a_digest():
    """One model, run here and elsewhere: only the weights that Situs loads are checked."""
    text = EXAMPLE.read_text().replace("model: large\n", "model: smollm2\n")
    config = text[: text.index("  large:\n")] + text[text.index("# Data sets that") :]
    there, _, here = fleet_of(parse(config), WEIGHTS)
    assert there.model.name == here.model.name
    assert there.model.weights is None
    assert here.model.weights is not None


def test_weights_that_the_lock_does_not_have_are_refused():
    with pytest.raises(WeightsError, match=r"models\.minilm\.file: models\.lock has no"):
        fleet_of(default_config(), {})


def test_the_digest_is_that_of_the_canonical_document():
    fleet = fleet_of(load(EXAMPLE), WEIGHTS)
    document = fleet_document(fleet)
    canonical = json.dumps(json.loads(document), sort_keys=True, separators=(",", ":"))
    assert document.decode() == canonical
    assert fleet_digest(fleet) == hashlib.sha256(document).hexdigest()


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(2)), st.permutations(["text", "image", "audio", "file"]))
def test_the_order_in_the_file_does_not_change_the_digest(order, modalities):
    text = EXAMPLE.read_text()
    start = text.index("  local-smollm2:")
    middle = text.index("  cloud-large:")
    parts = [text[start:middle], text[middle:]]
    swapped = text[:start] + "".join(parts[i] + "\n" for i in order)

    def digest(words: list[str]) -> str:
        changed = swapped.replace("[text, image]", f"[{', '.join(words)}]")
        return fleet_digest(fleet_of(parse(changed), WEIGHTS))

    assert digest(modalities) == digest(["text", "image", "audio", "file"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("retention: 30d", "retention: 31d"),
        ("jurisdiction: US", "jurisdiction: CA"),
        ("prompt: 2.5", "prompt: 2.6"),
        ("max_in_flight: 64", "max_in_flight: 63"),
        ("llm.example.com", "other.example.com"),
        ("prompt_tokens_per_s: 120", "prompt_tokens_per_s: 121"),
    ],
)
def test_a_changed_fact_changes_the_digest(old, new):
    text = EXAMPLE.read_text()
    assert old in text
    before, after = (fleet_of(parse(t), WEIGHTS) for t in (text, text.replace(old, new)))
    assert fleet_digest(before) != fleet_digest(after)


def test_labels_are_the_table_with_the_configured_changes():
    labels = labels_of(load(EXAMPLE), DEFAULT_FLOORS)
    own = {"email": Label.CONFIDENTIAL, "project_name": Label.INTERNAL}
    assert labels.floors == {**DEFAULT_FLOORS, **own}
    assert DEFAULT_FLOORS["email"] is Label.INTERNAL
    assert (labels.default, labels.unread) == (Label.PUBLIC, Label.INTERNAL)


def test_policy_paths_start_at_the_folder_of_the_file():
    text = EXAMPLE.read_text().replace("paths: [] ", "paths: [a.rego, /b] ")
    assert policy_paths(parse(text), Path("/etc/situs")) == (Path("/etc/situs/a.rego"), Path("/b"))


def test_an_endpoint_says_what_to_call_and_whom_to_ask_for():
    config = parse(EXAMPLE.read_text().replace(".com/v1", ".com/v1/"))
    there, here = config.deployments["cloud-large"], config.deployments["local-smollm2"]
    assert there.endpoint is not None
    assert base_url(there.endpoint) == "https://llm.example.com/v1"
    assert (upstream_model(there), upstream_model(here)) == ("large-2026-01", "smollm2")


LISTS = """  lists:
    patient: {label: restricted, patterns: ['P-[0-9]+'], tenants: [clinic]}
"""


def test_each_tenant_is_read_with_its_own_lists():
    config = parse(re.sub("  lists:.*\n", LISTS, EXAMPLE.read_text()))
    assert labels_of(config, DEFAULT_FLOORS).floors["patient"] is Label.RESTRICTED
    tables = tables_of(config)
    kinds = {tenant: {row.kind for row in table.rows} for tenant, table in tables.items()}
    assert kinds["clinic"] - kinds[""] == {"patient"}
    assert "project_name" in kinds[""]
    assert tables_of(default_config()) == {}
