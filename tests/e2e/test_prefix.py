"""Where a prompt's beginning was read is known to every worker, and shown."""

import json
import time

from tests.e2e import stage
from tests.fakes import cache_says

SYSTEM = {"role": "system", "content": "You are a clerk of the land registry. " * 100}


def asks(question: str) -> list[dict[str, str]]:
    return [SYSTEM, {"role": "user", "content": question}]


def test_all_workers_know_where_a_prompt_began(tmp_path):
    with stage.fakes(tmp_path, "office") as fakes:
        config = stage.fleet(fakes)
        one = config["deployments"].pop("office-llm")
        config["deployments"] = {"a": one, "b": one, "c": {**one, "cache": {"slots": 1}}}
        path = stage.write_config(tmp_path, config)
        arguments = ["serve", "--config", str(path), "--workers", "2"]
        with stage.started(arguments, tmp_path / "data", tmp_path / "situs.log") as gateway:
            for name in ("b", "c"):
                assert gateway.chat(model=name, messages=asks("How big is it?")).status == 200
            cached = [warm(gateway, asks(f"Who owns plot {k}?")) for k in range(12)]
            others = warm(gateway, [{"role": "user", "content": "x" * 3000}])
    assert all(one["b"] > 200 and one["c"] > 200 and one["a"] == 0 for one in cached)
    assert set(others.values()) == {0}


def warm(gateway: stage.Gateway, messages: list[dict[str, str]]) -> dict[str, int]:
    """On a connection of its own, so that either worker may take it."""
    body = json.dumps({"model": "auto", "messages": messages}).encode()
    decision = gateway.call("POST", "/situs/v1/explain", body).json["decision"]
    ranked = decision["placement"]["ranked"]
    return {candidate["deployment"]: candidate["cached_tokens"] for candidate in ranked}


def test_what_a_server_keeps_is_read_of_it(tmp_path):
    with stage.fakes(tmp_path, "office") as fakes:
        fakes["office"].set(says=cache_says.llama_cpp(slots=1))
        path = stage.write_config(tmp_path, stage.fleet(fakes))
        arguments = ["serve", "--config", str(path), "--workers", "1"]
        with stage.started(arguments, tmp_path / "data", tmp_path / "situs.log") as gateway:
            until = time.monotonic() + 10
            while "/slots" not in fakes["office"].looks() and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(1.5)  # the next beat tells the workers
            for question in (asks("How big is it?"), [{"role": "user", "content": "x" * 3000}]):
                assert gateway.chat(model="office-llm", messages=question).status == 200
            cached = warm(gateway, asks("Who owns plot 7?"))
            last = warm(gateway, [{"role": "user", "content": "x" * 3000}])
    assert cached["office-llm"] == 0
    assert last["office-llm"] > 200
