"""Prices of a configuration: where they come from, and in which currency."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from situs.config.build import fleet_of
from situs.config.check import check_file
from situs.config.load import load, parse
from situs.config.prices import Hardware
from situs.config.prices_catalogue import load_catalogue
from situs.config.prices_effective import Origin, hardware_price, prices_of
from situs.config.prices_told import all_told, doubts, told
from situs.config.tree import Speed
from situs.core.fleet import Tier
from situs.errors import ConfigError

HARDWARE = "cost: 12000, years: 4, watts: 350, idle_watts: 60, tariff: 0.30, utilisation: 0.4"
MINI = "catalogue: openai/gpt-4o-mini"


def text(price="", url="https://api.openai.com/v1", model="gpt-4o-mini", currency="", own=""):
    """A cloud with this price, and a machine of one's own."""
    priced = f"    price: {{{price}}}\n" if price else ""
    return f"""version: 1
{currency}
loci:
  box: {{kind: on_prem, jurisdiction: DE, owned: true}}
  cloud: {{kind: public_cloud, jurisdiction: US, owned: false}}
models:
  m: {{capability: small, context_tokens: 8192}}
deployments:
  here:
    model: m
    locus: box
    endpoint: {{url: "https://gpu.example/v1"}}
    speed: {{prompt_tokens_per_s: 4000, completion_tokens_per_s: 50}}
    price: {{{own or "currency: USD, prompt: 0.1, completion: 0.2"}}}
  there:
    model: m
    locus: cloud
    endpoint: {{url: "{url}", model: {model}}}
{priced}"""


def found(**said):
    return prices_of(parse(text(**said), "f.yaml"))["there"]


def problem(**said):
    with pytest.raises(ConfigError) as caught:
        parse(text(**said), "f.yaml")
    (line,) = caught.value.message.splitlines()
    return line


EUR = "currency: {code: EUR, rates: {USD: 0.5}, dated: 2026-11-01}"
IN_EUR = {"currency": EUR, "own": "prompt: 0.1, completion: 0.2"}


def test_what_is_stated_is_the_price():
    price = found(
        price="currency: USD, prompt: 1, completion: 2, reasoning: 3, request: 0.01"
    ).price
    assert (price.prompt, price.completion, price.reasoning, price.request) == (1, 2, 3, 0.01)


def test_the_catalogue_is_named():
    one = found(price=MINI, url="https://gateway.example/v1")
    assert (one.origin, one.price.prompt, one.price.completion) == (Origin.CATALOGUE, 0.15, 0.6)
    assert one.price.cached_prompt == 0.075


def test_another_name_of_a_model_means_the_same_entry():
    assert found(price=f"{MINI}-2024-07-18").price == found(price=MINI).price


def test_what_is_stated_counts_before_the_catalogue():
    price = found(price=f"{MINI}, currency: USD, completion: 0.3").price
    assert (price.prompt, price.completion) == (0.15, 0.3)


def test_longer_prompts_have_the_tiers_of_the_catalogue():
    price = found(price="catalogue: google/gemini-2.5-pro").price
    assert price.tiers == (Tier(200_000, 2.5, 15.0, 0.25),)
    stated = found(price="catalogue: google/gemini-2.5-pro, currency: USD, prompt: 1").price
    assert stated.tiers == ()


@pytest.mark.parametrize(
    ("url", "model", "entry"),
    [
        ("https://api.openai.com/v1", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("https://api.openai.com/v1", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("https://api.openai.com:443/v1", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("https://api.openai.com/v1", "gpt-that-is-not-known", None),
        ("https://api.openai.com.example/v1", "gpt-4o-mini", None),
        ("https://gateway.example/v1", "gpt-4o-mini", None),
        ("https://router.huggingface.co/groq/v1", "gpt-4o-mini", None),
    ],
)
def test_without_a_price_address_and_model_say_the_entry(url, model, entry):
    one = found(url=url, model=model)
    assert one.entry == entry
    assert one.origin is (Origin.NONE if entry is None else Origin.INFERRED)
    assert (one.price is None) == (entry is None)


def test_nothing_is_inferred_of_what_is_owned():
    owned = text(own=MINI).replace("owned: false", "owned: true").replace("public_cloud", "edge")
    with pytest.raises(ConfigError) as caught:
        parse(owned, "f.yaml")
    assert caught.value.message == (
        "f.yaml:15: deployments.there.price: missing; an owned machine has a price too: "
        "state its amortised cost"
    )


def test_other_currencies_are_converted_at_the_dated_rate():
    listed = found(price=MINI, **IN_EUR).price
    assert (listed.currency, listed.prompt, listed.completion) == ("EUR", 0.075, 0.3)
    stated = found(
        price="currency: USD, prompt: 3, completion: 4, tiers: "
        "[{above: 10, prompt: 5, completion: 6}]",
        **IN_EUR,
    ).price
    assert (stated.prompt, stated.tiers) == (1.5, (Tier(10, 2.5, 3.0),))
    mixed = found(price=f"{MINI}, completion: 0.7", **IN_EUR).price
    assert (mixed.prompt, mixed.completion) == (0.075, 0.7)


def test_an_inferred_price_in_a_currency_without_a_rate_is_none():
    one = found(currency="currency: {code: EUR}", own="prompt: 1, completion: 2")
    assert (one.origin, one.price, one.lacks) == (Origin.INFERRED, None, "USD")
    assert told(parse(text(own="currency: EUR, prompt: 1, completion: 2"))).prices[1].because == (
        "in USD, and no rate from there to EUR"
    )


CASES = [
    ({"price": "currency: USD, prompt: 1"}, "19: .*price.completion: missing"),
    ({"price": "prompt: 1, completion: 1"}, "19: .*price.currency: missing; state it here"),
    ({"price": f"{MINI}i"}, "19: .*catalogue: no such entry.*mean openai/gpt-4o-mini\\?"),
    ({"price": "catalogue: opnai/gpt-4o"}, "19: .*no such entry.*did you mean openai/gpt-4o\\?"),
    ({"price": f"{MINI}, hardware: {{{HARDWARE}}}"}, "19: .*a second source beside hardware"),
    ({"price": f"{MINI}, currency: USD"}, "19: .*currency: has no effect: the catalogue"),
    (
        {"price": f"currency: USD, prompt: 1, completion: 1, hardware: {{{HARDWARE}}}"},
        "19: .*hardware: has no effect",
    ),
    ({"price": "currency: EUR, prompt: 1, completion: 1"}, "19: .*a second currency beside USD"),
    (
        {"price": MINI, "currency": "currency: {code: EUR}", "own": "prompt: 1, completion: 1"},
        "19: .*price.catalogue: a second currency beside EUR; give its rate",
    ),
    (
        {"price": "currency: USD, prompt: 1, completion: 1, tiers: [{above: 9, prompt: 1, "
                  "completion: 1}, {above: 9, prompt: 2, completion: 1}]"},
        "19: .*tiers.1.above: not more than that of the tier before",
    ),
    ({"own": "currency: USD, prompt: 0, completion: 1"}, "14: .*price.prompt: 0 at an owned"),
    (
        {"own": "currency: USD, prompt: 1, completion: 1, tiers: [{above: 9, prompt: 1, "
                "completion: 0}]"},
        "14: .*tiers.0: 0 at an owned",
    ),
    (
        {**IN_EUR, "currency": EUR.replace(", dated: 2026-11-01", "")},
        "2: currency.dated: missing; say of which day",
    ),
    (
        {**IN_EUR, "currency": EUR.replace("2026-11-01", "2026-02-30")},
        "2: currency.dated: there is no such day",
    ),
    (
        {**IN_EUR, "currency": "currency: {code: EUR, dated: 2026-11-01}"},
        "2: currency.dated: has no effect",
    ),
    (
        {**IN_EUR, "currency": EUR.replace("USD: 0.5", "USD: 0.5, GBP: 1.1")},
        "2: currency.rates.GBP: no price needs it",
    ),
    (
        {**IN_EUR, "currency": EUR.replace("0.5", "0"), "price": MINI},
        "2: currency.rates.USD: expected a number of at least 1e-09",
    ),
    (
        {**IN_EUR, "currency": EUR.replace("0.5", "1e308"), "price": MINI},
        "2: currency.rates.USD: expected a number of at least 1e-09",
    ),
    ({"own": f"currency: USD, hardware: {{{HARDWARE}}}".replace("years: 4", "years: 1e-320")},
     "14: .*hardware.years: expected a number of at least 0.1"),
    ({"own": f"currency: USD, hardware: {{{HARDWARE}}}".replace("0.4", "1e-320")},
     "14: .*price.hardware: comes to more than 1000000000 in USD"),
    ({"price": "currency: USD, prompt: 1e308, completion: 1"}, "19: .*price: comes to more than"),
    (
        {"price": "currency: USD, prompt: 1, completion: 1, tiers: [{above: 9, prompt: 1e10, "
                  "completion: 1}]"},
        "19: .*price: comes to more than",
    ),
]  # fmt: skip


def test_a_currency_alone_is_no_price():
    with pytest.raises(ConfigError) as caught:
        parse(text(price="currency: USD"), "f.yaml")
    assert [line.split("; ")[0] for line in caught.value.message.splitlines()] == [
        f"f.yaml:19: deployments.there.price.{field}: missing" for field in ("prompt", "completion")
    ]


def test_rates_of_a_day_yet_to_come_are_refused_alike_by_check_and_by_who_loads_it(tmp_path):
    path = tmp_path / "situs.yaml"
    path.write_text(text(price=MINI, **{**IN_EUR, "currency": EUR.replace("2026", "2999")}))
    [one] = [str(found) for found in check_file(path, {}).problems]
    assert one.endswith(":2: currency.dated: a day yet to come; of which day are the rates?")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.message == one


def test_rates_of_today_are_taken_wherever_on_earth_it_is_today(tmp_path):
    ahead = datetime.now(UTC) + timedelta(hours=14)
    path = tmp_path / "situs.yaml"
    day = EUR.replace("2026-11-01", ahead.date().isoformat())
    path.write_text(text(price=MINI, **{**IN_EUR, "currency": day}))
    assert load(path).currency is not None


@pytest.mark.parametrize(("said", "expected"), CASES)
def test_what_cannot_be_is_said_with_its_line(said, expected):
    assert re.match(f"f.yaml:{expected}", problem(**said))


def test_owned_hardware_has_the_price_of_the_worked_example():
    """The numbers of docs/reference/prices.md."""
    own = f"currency: EUR, hardware: {{{HARDWARE}, people_per_year: 2000, parallel: 8}}"
    fleet = fleet_of(parse(text(own=own, price="currency: EUR, prompt: 1, completion: 1")), {})
    price = fleet[0].price
    assert price is not None
    assert (price.currency, f"{price.prompt:.4f}", f"{price.completion:.4f}") == (
        "EUR", "0.1082", "1.0819",
    )  # fmt: skip


def test_a_runtime_says_how_much_it_answers_at_once():
    served = text(own=f"currency: USD, hardware: {{{HARDWARE}}}").replace(
        'endpoint: {url: "https://gpu.example/v1"}', "runtime: {kind: llama_cpp, parallel: 4}"
    )
    served = served.replace("m: {", "m: {file: X.Q4, ")
    one = prices_of(parse(text(own=f"currency: USD, hardware: {{{HARDWARE}}}")))["here"].price
    two = prices_of(parse(served))["here"].price
    assert one is not None
    assert two is not None
    assert two.completion == pytest.approx(one.completion / 4)
    assert two.prompt == one.prompt


POSITIVE = st.floats(0.01, 1e6)


@given(
    POSITIVE,
    st.floats(0.1, 20),
    st.floats(0, 5000),
    st.floats(0, 5),
    st.floats(0.001, 1),
    st.integers(1, 64),
)
def test_what_is_owned_is_never_free_and_dearer_where_it_is_idle(
    cost, years, watts, tariff, busy, parallel
):
    machine = Hardware(cost=cost, years=years, watts=watts, tariff=tariff, utilisation=busy)
    half = Hardware(cost=cost, years=years, watts=watts, tariff=tariff, utilisation=busy / 2)
    prices = hardware_price(machine, Speed(), parallel)
    assert min(prices) > 0
    assert hardware_price(half, Speed(), parallel) >= prices


def test_every_entry_of_the_catalogue_is_a_price():
    rows = all_told().prices
    assert len(rows) > 1000
    assert all(row.price is not None and min(row.price.prompt, row.price.completion) >= 0
               for row in rows)  # fmt: skip


def test_the_catalogue_says_what_it_is():
    catalogue = load_catalogue()
    assert date.fromisoformat(catalogue.dated) >= date(2026, 11, 4)
    assert "genai-prices" in catalogue.source
    assert "MIT" in catalogue.licence


def test_old_prices_and_rates_are_doubted_where_they_count():
    config = parse(text(price=MINI, **IN_EUR))
    dated = load_catalogue().dated
    because, do = doubts(config, date(2026, 11, 22))
    assert because == f"1 stated, 1 catalogue; the catalogue of {dated}; the rates of 2026-11-01"
    assert do == ""
    because, do = doubts(config, date(2027, 11, 22))
    assert "over 180 days ago" in because
    assert do == "Upgrade Situs, or state prices yourself. Set currency.rates and dated anew."
    because, do = doubts(config, date(2026, 10, 1))
    assert "yet to come" in because
    assert do == "Correct the day, or the clock of this machine."
    stated = parse(text(price="currency: USD, prompt: 1, completion: 1"))
    assert doubts(stated, date(2037, 1, 1)) == ("2 stated", "")
