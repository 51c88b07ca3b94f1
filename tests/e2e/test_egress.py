"""What a running gateway may connect to, and what the command line says of it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.e2e.stage import command, fakes, fleet, running, write_config


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("egress")
    with fakes(folder, "office", "us") as known, running(folder, fleet(known)) as gateway:
        yield gateway


def situs(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, **options)


def test_every_worker_is_sealed_by_the_kernel_and_still_answers(office):
    assert office.chat().status == 200
    for pid in office.workers():
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status


def test_what_is_planted_in_a_worker_is_stopped():
    done = situs("egress", "check", "--json", "--to", "127.0.0.1:1")
    python, native, _ = json.loads(done.stdout)
    assert (done.returncode, python["stopped"], native["stopped"]) == (0, True, True)


def test_what_the_operating_system_lets_out_fails_where_it_is_asked_for():
    """Something that is certainly reached: a connection on loopback that is refused there."""
    assert situs("egress", "check", "--os", "--to", "127.0.0.1:1").returncode == 1


def listed(tmp_path, *arguments):
    config = fleet({})
    config["loci"] = {"us": {"kind": "public_cloud", "jurisdiction": "US", "owned": False}}
    config["models"] = {"m": {"capability": "small", "context_tokens": 4096}}
    endpoint = {"url": "https://192.0.2.9/v1"}
    config["deployments"] = {"us-llm": {"model": "m", "locus": "us", "endpoint": endpoint}}
    return [*arguments, "--config", str(write_config(tmp_path, config))]


def test_the_list_names_every_place_and_its_addresses(tmp_path):
    done = situs(*listed(tmp_path, "egress", "list", "--json"))
    (place,) = json.loads(done.stdout)["places"]
    assert place == {"name": "us-llm", "host": "192.0.2.9", "port": 443, "networks": ["192.0.2.9"]}


APPLIED = """
set -e
ip link set lo up
ip link add out0 type veth peer name out1
ip addr add 192.0.2.2/24 dev out0
ip link set out0 up
ip link set out1 up
{situs} egress check --json --to 192.0.2.1:443 > {out}/before.json
{situs} egress apply {config}
{situs} egress apply {config}
nft list ruleset > {out}/applied
{situs} egress check --os --json --to 192.0.2.1:443 > {out}/after.json
{situs} egress check --json --to 192.0.2.9:443 > {out}/listed.json
{situs} egress remove
{situs} egress remove
nft list ruleset > {out}/removed
"""


def test_what_is_applied_stops_what_is_not_listed_and_leaves_nothing_behind(tmp_path):
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed (Debian: nftables)")
    if subprocess.run(["unshare", "-Urn", "true"]).returncode != 0:
        pytest.skip("no user and network namespace is permitted here")
    config = " ".join(listed(tmp_path))
    script = APPLIED.format(situs=" ".join(command()), config=config, out=tmp_path)
    subprocess.run(["unshare", "-Urn", "sh", "-c", script], check=True)

    def outside(name):
        return json.loads((tmp_path / f"{name}.json").read_text())[-1]

    assert not outside("before")["stopped"]
    assert outside("after")["stopped"]
    assert "it was refused" in outside("after")["because"]
    assert not outside("listed")["stopped"]  # it is let out, to an address that is nobody's
    assert (tmp_path / "applied").read_text().count("table inet situs_egress") == 1
    assert (tmp_path / "removed").read_text() == ""


def test_without_rights_nothing_is_applied_and_the_reason_is_said(tmp_path):
    if shutil.which("nft") is None or shutil.which("setpriv") is None or os.getuid() != 0:
        pytest.skip("nft or setpriv is not installed, or there are no rights to take away")
    bare = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
    line = (*bare, *command(*listed(tmp_path, "egress", "apply")))
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 2
    assert "nftables refuses: " in done.stderr
    assert "nothing was changed" in done.stderr


def test_a_canary_that_is_planted_stops_at_the_border_and_is_recorded(tmp_path):
    data = tmp_path / "data"
    token = situs("egress", "canary", "new", "payroll", "--data", str(data)).stdout.strip()
    with fakes(tmp_path, "us") as known, running(tmp_path, fleet(known), data=data) as gateway:
        assert gateway.chat().status == 200
        refused = gateway.chat(f"Summarise: {token.title()}.")
        assert (refused.status, refused.code) == (403, "canary_found")
        assert gateway.outcome(refused.headers["x-situs-request-id"])["code"] == "canary_found"
        assert len(known["us"].requests()) == 1
        gateway.stop()
        assert token not in gateway.log.read_text()


def test_canaries_are_made_listed_and_forgotten(tmp_path):
    data = ("--data", str(tmp_path))
    token = situs("egress", "canary", "new", "payroll", *data).stdout.strip()
    assert len(token) == 27
    assert situs("egress", "canary", "list", *data).stdout == "payroll\n"
    assert situs("egress", "canary", "remove", "payroll", *data).returncode == 0
    assert situs("egress", "canary", "list", *data).stdout == ""
