"""`deployments.NAME.cache`: what a server keeps of prompts."""

from typing import Any

import pytest
import yaml

from situs.config.build import fleet_of
from situs.config.load import examine, parse
from situs.config.problems import Report
from situs.config.reference import example_text
from situs.config.tree import LlamaCpp
from situs.core.fleet import PrefixCache


def with_cache(deployment: str, cache: dict[str, Any]) -> str:
    config = yaml.safe_load(example_text())
    config["deployments"][deployment]["cache"] = cache
    return yaml.safe_dump(config)


@pytest.mark.parametrize(
    ("deployment", "cache", "said"),
    [
        ("cloud-large", {}, "exactly one of tokens and slots"),
        ("cloud-large", {"tokens": 1000, "slots": 2}, "exactly one of tokens and slots"),
        ("local-smollm2", {"slots": 2}, "a runtime's is known"),
    ],
)
def test_what_says_nothing_or_too_much_is_refused(deployment, cache, said):
    problems = examine(with_cache(deployment, cache), Report("example")).problems
    assert [said in str(problem) for problem in problems] == [True]


def test_a_runtime_keeps_a_prompt_in_each_of_its_slots_an_endpoint_what_is_said():
    config = parse(example_text(), "example")
    names = {model.file for model in config.models.values()} | {
        model.tokenizer for model in config.models.values()
    }
    fleet = {one.name: one for one in fleet_of(config, {n: "0" * 64 for n in names if n})}
    runtime = config.deployments["local-smollm2"].runtime
    assert isinstance(runtime, LlamaCpp)
    assert fleet["local-smollm2"].cache == PrefixCache(slots=runtime.parallel)
    assert fleet["cloud-large"].cache == PrefixCache(tokens=400_000)
