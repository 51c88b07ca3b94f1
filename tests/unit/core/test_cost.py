"""What tokens cost: each at the price of its kind, in its tier."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import make

from situs.core.cost import cost_of
from situs.core.fleet import LocusKind, Price, Tier
from situs.core.record import Usage

MONEY = st.floats(0, 1000, allow_nan=False)
MAYBE = st.none() | MONEY
COUNT = st.integers(0, 10**7)


@st.composite
def prices(draw, tiers=True):
    """Tiers cost no less than what is below them, as everybody's do."""
    prompt, completion, above = draw(MONEY), draw(MONEY), 0
    found: list[Tier] = []
    for _ in range(draw(st.integers(0, 2)) if tiers else 0):
        above += draw(st.integers(1, 10**6))
        last = found[-1] if found else Tier(0, prompt, completion)
        more = [draw(MONEY) for _ in range(2)]
        found.append(Tier(above, last.prompt + more[0], last.completion + more[1]))
    kinds = ["reasoning", "audio_prompt", "audio_completion"]
    kinds += [] if found else ["cached_prompt", "cache_write"]
    own = {kind: draw(MAYBE) for kind in kinds}
    return Price("USD", prompt, completion, request=draw(MONEY), tiers=tuple(found), **own)


@st.composite
def usages(draw):
    prompt, completion = [draw(COUNT) for _ in range(4)], [draw(COUNT) for _ in range(3)]
    return Usage(
        sum(prompt), sum(completion), prompt[1], prompt[2], completion[1], prompt[3], completion[2]
    )


def cost(price, usage, sent=0, egress=0.0):
    locus = make.locus("cloud", LocusKind.PUBLIC_CLOUD, egress_price=egress)
    there = msgspec.structs.replace(make.deployment(locus=locus), price=price)
    found = cost_of(there, usage, sent)
    assert found is not None
    return found


@given(prices(), usages(), COUNT)
def test_money_is_never_negative(price, usage, sent):
    assert cost(price, usage, sent, egress=0.1) >= 0


@given(prices(), usages(), st.sampled_from([*Usage.__struct_fields__]), COUNT)
def test_more_tokens_of_any_kind_never_cost_less(price, usage, kind, more):
    """A part grows with its whole."""
    wholes = {"cached_prompt_tokens": "prompt_tokens", "cache_write_tokens": "prompt_tokens"}
    wholes |= {"audio_prompt_tokens": "prompt_tokens", "reasoning_tokens": "completion_tokens"}
    wholes["audio_completion_tokens"] = "completion_tokens"
    grown = {one: getattr(usage, one) + more for one in {kind, wholes.get(kind, kind)}}
    before, after = cost(price, usage), cost(price, msgspec.structs.replace(usage, **grown))
    assert after >= before * (1 - 1e-9)


@given(prices(tiers=False), usages())
def test_a_cache_that_is_cheaper_makes_nothing_dearer(price, usage):
    price = msgspec.structs.replace(price, cached_prompt=price.prompt / 2)
    fresh = msgspec.structs.replace(usage, cached_prompt_tokens=0)
    assert cost(price, usage) <= cost(price, fresh) * (1 + 1e-9)


@given(prices(), usages())
def test_a_kind_without_a_price_costs_what_it_is_part_of(price, usage):
    none = dict.fromkeys(("cached_prompt", "cache_write", "reasoning"))
    plain = msgspec.structs.replace(price, **none, audio_prompt=None, audio_completion=None)
    whole = Usage(usage.prompt_tokens, usage.completion_tokens)
    assert cost(plain, usage) == pytest.approx(cost(plain, whole))


def test_each_kind_is_paid_at_its_own_price():
    price = Price("USD", 1, 10, 0.1, 1.25, 20, 40, 80, request=0.5)
    usage = Usage(1_000_000, 1_000_000, 100_000, 200_000, 300_000, 50_000, 10_000)
    read = 0.65 * 1 + 0.1 * 0.1 + 0.2 * 1.25 + 0.05 * 40
    written = 0.69 * 10 + 0.3 * 20 + 0.01 * 80
    assert cost(price, usage) == pytest.approx(read + written + 0.5)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(200_000, 0.2), (200_001, 0.400002), (500_000, 1.0), (500_001, 2.000004)],
)
def test_a_longer_prompt_is_paid_whole_in_its_tier(tokens, expected):
    price = Price("USD", 1, 1, tiers=(Tier(200_000, 2, 3), Tier(500_000, 4, 5)))
    assert cost(price, Usage(tokens, 0)) == pytest.approx(expected)
