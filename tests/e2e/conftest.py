"""What many end-to-end tests begin with."""

from __future__ import annotations

import pytest
from openai import OpenAI


@pytest.fixture
def client(gateway):
    """The OpenAI client of the module's gateway."""
    with OpenAI(base_url=gateway.base_url, api_key="-", max_retries=0) as client:
        yield client
