"""What a process loads it keeps for as long as it runs: each loads only what it is there for."""

import subprocess
import sys

import pytest


def loads(module, other):
    code = f"import {module}, sys; print({other!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


@pytest.mark.parametrize("other", ["numpy", "situs.gateway", "situs.analysis.entry", "onnxruntime"])
def test_the_parent_loads_nothing_that_only_serves_requests(other):
    assert not loads("situs.cli.serve, situs.app.parent", other)


@pytest.mark.parametrize("other", ["yaml", "jwt", "situs.config.load", "situs.rego.check"])
def test_a_worker_loads_nothing_that_only_reads_configuration(other):
    assert not loads("situs.app.worker", other)
