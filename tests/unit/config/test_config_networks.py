"""The networks that an endpoint's name may mean."""

from typing import Any

import msgspec
import pytest
from tests.e2e.stage import fleet

from situs.config.load import examine
from situs.config.problems import Report


class Fake:
    def __init__(self, url):
        self.base_url = url


def problems(url, networks):
    fakes: dict[str, Any] = {"us": Fake(url)}
    config = fleet(fakes)
    config["deployments"]["us-llm"]["endpoint"]["networks"] = networks
    return examine(msgspec.json.encode(config).decode(), Report("x")).problems


def test_networks_are_named_for_a_name():
    assert problems("https://llm.example.com/v1", ["10.1.0.0/16", "fd00:1::/64"]) == ()


@pytest.mark.parametrize(
    ("url", "networks", "told"),
    [
        ("https://llm.example.com/v1", ["10.1.2.3/16"], "without host bits"),
        ("https://llm.example.com/v1", ["private"], "expected a network"),
        ("https://192.0.2.1/v1", ["192.0.2.0/24"], "has no effect"),
        ("https://[2001:db8::1]/v1", ["2001:db8::/32"], "has no effect"),
    ],
)
def test_what_is_no_network_or_has_no_effect_is_a_problem(url, networks, told):
    (problem,) = problems(url, networks)
    assert told in problem.what
