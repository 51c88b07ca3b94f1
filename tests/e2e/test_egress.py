"""What a running gateway may connect to."""

from pathlib import Path

import pytest
from tests.e2e.stage import fakes, fleet, running


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("egress")
    with fakes(folder, "office", "us") as known, running(folder, fleet(known)) as gateway:
        yield gateway


def test_every_worker_is_sealed_by_the_kernel_and_still_answers(office):
    assert office.chat().status == 200
    for pid in office.workers():
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status
