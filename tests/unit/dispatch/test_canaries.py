import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.dispatch.canaries import canaries_in

TOKEN = b"bovadi-kerulo-mitaso-fegonu"


@given(st.text(), st.text(), st.booleans())
def test_a_token_is_found_wherever_it_stands_in_a_document(before, after, upper):
    token = TOKEN.decode().upper() if upper else TOKEN.decode()
    body = msgspec.json.encode({"messages": [{"content": before + token + after}]})
    assert canaries_in(body, [b"another-token-of-ours", TOKEN])


@pytest.mark.parametrize("text", ["", "bovadi kerulo mitaso fegonu", "bovadi-kerulo-mitaso-fegon"])
def test_what_is_no_token_is_not_found(text):
    assert not canaries_in(msgspec.json.encode({"content": text}), [TOKEN])


def test_without_tokens_nothing_is_found():
    assert not canaries_in(TOKEN, [])
