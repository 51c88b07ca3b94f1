"""What `situs up` and `situs serve` say when they cannot start."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from situs.cli.main import cli

LIMITED = """
import resource, sys
from situs.cli.main import main
sys.argv = ["situs", *sys.argv[1:]]
import situs.app.run, situs.app.parent, uvloop
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
main()
"""
CONFIG = """
version: 1
loci: {rack: {kind: on_prem, jurisdiction: DE, owned: true}}
models: {m: {capability: small, context_tokens: 4096}}
deployments:
  near:
    model: m
    locus: rack
    endpoint: {url: http://127.0.0.1:9/v1}
    price: {currency: EUR, prompt: 1, completion: 2}
"""


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ("au", "au: not a country of ISO 3166-1; did you mean AU?"),
        ("UK", "did you mean GB?"),
        ("EU", "name the member state"),
        ("ZZ", "ZZ: not a country"),
        ("Australia", "Australia: not a country"),
    ],
)
@pytest.mark.parametrize("command", [("up",), ("config", "import", "litellm", "x.yaml")])
def test_a_home_that_is_no_country_is_told_of_the_option(command, home, said):
    done = CliRunner().invoke(cli, [*command, "--home", home])
    assert done.exit_code == 2
    assert "'--home'" in done.stderr
    assert said in done.stderr


def test_too_few_open_files_are_told_with_what_to_do(tmp_path):
    file = tmp_path / "situs.yaml"
    file.write_text(CONFIG)
    words = ["serve", "--config", file, "--data", tmp_path / "data", "--port", "0"]
    done = subprocess.run([sys.executable, "-c", LIMITED, *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Too many open files\n  Allow it more" in done.stderr
    assert "ulimit -n" in done.stderr
