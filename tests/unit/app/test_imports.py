"""What a process loads it keeps for as long as it runs: each loads only what it is there for."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("other", ["numpy", "situs.gateway", "situs.analysis.entry", "onnxruntime"])
def test_the_parent_loads_nothing_that_only_serves_requests(other):
    code = f"import situs.cli.serve, situs.app.parent, sys; print({other!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
