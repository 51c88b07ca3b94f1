"""What holds for every test."""

from __future__ import annotations

import gc

import pytest
from hypothesis import HealthCheck, settings

# How long a case takes says something of the machine, not of the code.
settings.register_profile("situs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("situs")


@pytest.fixture(autouse=True, scope="module")
def _collected():
    """Garbage is collected on the thread that made it.

    A policy engine that a failed test frame keeps in a cycle may not be dropped on another thread,
    and the next module may start some.
    """
    yield
    gc.collect()
