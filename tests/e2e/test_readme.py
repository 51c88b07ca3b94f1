"""The README and the how-tos do what they say: their blocks are run, and what stands below holds.

A `sh` block is run by bash, a `python` block by Python. A `text` block below one is what it prints:
each of its lines must be a line of the output, wherever; `…` stands for anything.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.e2e import stage
from tests.weights import weights

from situs.config.load import default_config

ROOT = stage.ROOT
BIN = Path(sys.executable).parent


class Block(msgspec.Struct):
    language: str
    text: str
    line: int
    section: str = ""
    prints: str = ""


def blocks(page: str) -> list[Block]:
    """The blocks that are run, in order, with the heading above and the output below."""
    text = (ROOT / page).read_text("utf-8")
    found: list[Block] = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        before = text[: match.start()]
        if match[1] in ("sh", "python", "yaml", "rego"):
            headings = re.findall(r"^## (.*)$", before, re.MULTILINE)
            line = before.count("\n") + 1
            found.append(Block(match[1], match[2], line, headings[-1] if headings else ""))
        elif match[1] == "text":
            found[-1].prints = match[2]
    return found


def run(block: Block, gateway: stage.Gateway) -> str:
    """Runs a block against a gateway, as a user would in the checkout."""
    text = block.text.replace("127.0.0.1:7488", f"127.0.0.1:{gateway.port}")
    command = ["bash", "-e", "-c", text] if block.language == "sh" else [sys.executable, "-c", text]
    return executed(command, SITUS_DATA=str(gateway.data))


def executed(command: list[str], **environ: str) -> str:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "COLUMNS": "100", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def not_printed(block: Block, output: str) -> list[str]:
    lines = [" ".join(line.split()) for line in output.splitlines()]

    def is_there(promised: str) -> bool:
        pattern = ".*".join(re.escape(part) for part in " ".join(promised.split()).split("…"))
        return any(re.fullmatch(pattern, line) for line in lines)

    return [line for line in block.prints.splitlines() if line.strip() and not is_there(line)]


def with_fakes(config: dict[str, Any], directory: Path, stack: Any) -> dict[str, Any]:
    """The same fleet, with a fake behind every deployment."""
    names = list(config["deployments"])
    fakes = stack.enter_context(stage.fakes(directory, *names))
    for name, deployment in config["deployments"].items():
        deployment.pop("runtime", None)
        deployment["endpoint"] = {"url": fakes[name].base_url, "model": "fake-model"}
    for model in config["models"].values():
        for setting in ("file", "tokenizer", "dimensions"):
            model.pop(setting, None)
    return config


@pytest.fixture(scope="module")
def stack():
    import contextlib

    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def one_model(tmp_path_factory, stack):
    """What `situs up` runs, the model a fake."""
    directory = tmp_path_factory.mktemp("up")
    config = with_fakes(msgspec.to_builtins(default_config()), directory, stack)
    return stack.enter_context(stage.running(directory, without_nulls(config)))


@pytest.fixture(scope="module")
def three_loci(tmp_path_factory, stack):
    """examples/three-loci.yaml, its models fakes."""
    directory = tmp_path_factory.mktemp("three_loci")
    config = yaml.safe_load((ROOT / "examples" / "three-loci.yaml").read_text("utf-8"))
    return stack.enter_context(stage.running(directory, with_fakes(config, directory, stack)))


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return value


README = blocks("README.md")


def parameters(chosen: list[Block]):
    assert chosen
    return [pytest.param(block, id=f"line-{block.line}") for block in chosen]


@pytest.mark.parametrize("block", parameters([b for b in README if b.section == "First call"]))
def test_the_first_call_of_the_readme_works(block, one_model):
    output = run(block, one_model)
    assert output.strip()
    assert not_printed(block, output) == []


@pytest.mark.parametrize("block", parameters([b for b in README if "tour" in b.section]))
def test_the_tour_of_the_readme_works(block, three_loci):
    assert not_printed(block, run(block, three_loci)) == []


def test_every_block_of_the_readme_is_run():
    assert {b.section for b in README} == {"First call", "Five-minute tour"}
    assert [b.language for b in README] == ["sh", "python", "sh", "sh", "sh", "sh", "sh"]


@pytest.mark.parametrize("page", ["docs/how-to/curl.md", "docs/how-to/openai-client.md"])
def test_the_how_tos_work(page, one_model):
    """The blocks of a page build on each other."""
    found = blocks(page)
    together = Block(found[0].language, "\n".join(b.text for b in found), 1)
    assert {b.language for b in found} == {together.language}
    assert run(together, one_model).strip()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_the_tutorial_works(tmp_path):
    """The whole of it, with the real model, in a folder and at ports of its own."""
    page = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    folder = tmp_path / "tour"
    folder.mkdir()
    shutil.copytree(weights(), folder / "data" / "models")
    changes = {".data/tour": str(folder)}
    changes |= {
        str(old): str(new) for old, new in zip((7488, 7601, 7602), free_ports(3), strict=True)
    }

    def here(text: str) -> str:
        text = text.replace("$PWD/.data", ".data")
        for old, new in changes.items():
            text = text.replace(old, new)
        return text.replace("situs serve", f"situs serve --port {changes['7488']}")

    files = re.findall(r"(?ms)`\.data/tour/([\w.]+)`:\n\n```\w+\n(.*?)^```$", page)
    assert [name for name, _ in files] == ["situs.yaml", "my_policy.rego", "my_policy_test.rego"]
    for name, text in files:
        (folder / name).write_text(here(text))
    steps = [b for b in blocks("docs/tutorial.md") if b.language == "sh"]
    for step in steps:
        step.text = here(step.text).replace(". .venv/bin/activate\n", "")
        step.prints = here(step.prints)
    script = "\necho '=== next'\n".join(step.text for step in steps)
    told = executed(["bash", "-c", f"trap 'kill $(jobs -p) 2>&-' EXIT\n{script}"])
    for step, said in zip(steps, told.split("=== next\n"), strict=True):
        assert not_printed(step, said) == [], said
    assert "closed" in told
    assert not folder.exists()
