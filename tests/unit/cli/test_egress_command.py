"""`situs egress check`: what may be said of where to."""

import pytest
from click.testing import CliRunner

from situs.cli.main import cli


@pytest.mark.parametrize(
    "to", ["[::1]:99999", "[::1]:0", "192.0.2.1:65536", "192.0.2.1", "::1", "name:1", ":1", "1.2:1"]
)
def test_what_is_no_address_and_port_is_refused(to):
    called = CliRunner().invoke(cli, ["egress", "check", "--to", to])
    assert called.exit_code == 2
    assert "an address and a port (1 to 65535)" in called.output
