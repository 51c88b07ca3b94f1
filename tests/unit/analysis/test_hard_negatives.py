"""What only looks like an identifier, at random: the share that is taken for one."""

import random

import pytest

from situs.analysis import DEFAULT_FLOORS
from situs.analysis.sensitivity import scan

DRAW = random.Random(20)
IDS = ["".join(DRAW.choices("0123456789", k=16)) for _ in range(2500)]
VERSIONS = [
    f"{DRAW.randint(0, 20)}.{DRAW.randint(0, 30)}.{DRAW.randint(0, 30)}.{DRAW.randint(0, 255)}"
    for _ in range(400)
]
ADDRESSES = [".".join(str(DRAW.randint(130, 254)) for _ in range(4)) for _ in range(200)]


def kinds(text):
    return set(scan([text], DEFAULT_FLOORS).counts)


def share(kind, carrier, values):
    return sum(kind in kinds(carrier.replace("{}", value)) for value in values) / len(values)


@pytest.mark.parametrize(
    "carrier", ["look up {}", "txn {}", "What is {}?", "order {}", "id,{}", '{"id": {}}', "user={}"]
)
def test_hardly_a_random_number_is_a_card_beside_a_word(carrier):
    assert share("card", carrier, IDS) <= 0.01


@pytest.mark.parametrize("carrier", ["{}", "| {} |", "{}, {}"])
def test_a_random_number_alone_is_a_card_as_often_as_issued_ranges_and_the_check_digit_allow(
    carrier,
):
    assert share("card", carrier, IDS) <= 0.03


def test_a_list_of_numbers_as_long_that_are_no_cards_holds_none():
    rows = ["\n".join(IDS[place : place + 5]) for place in range(0, len(IDS), 5)]
    assert share("card", "{}", rows) <= 0.01


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "378282246310005",
        "30569309025904",
        "6011111111111117",
        "2223003122003222",
        "4111111111111111 please",
        "Jo Doe, 4111111111111111",
        "4111111111111111\n5555555555554444",
        "4111111111111111\n5555555555554444\n4111111111111112",
        "refund 4111111111111111 4111111111111112, paid by card",
    ],
)
def test_a_card_alone_is_found(text):
    assert kinds(text) == {"card"}


@pytest.mark.parametrize(
    "carrier",
    [
        "{}",
        "upgrade {}",
        "GET /{}/x",
        "GET /api/{}/status HTTP/1.1",
        "version {}",
        "bump it from {} to 2.0.0.1",
        "bump it from 1.0.0.1 to {}",
        "updated from {}",
        "https://example.org/download/{}/x.zip",
    ],
)
def test_hardly_a_version_is_an_address(carrier):
    assert share("ip", carrier, VERSIONS) <= 0.05


@pytest.mark.parametrize(
    "carrier",
    [
        "{}",
        "GET /lookup/{}",
        "GET http://{}/x",
        "download from {}",
        "deploy it to {}",
        "traffic from {} to 8.8.8.8",
        "upgrade the server {}",
    ],
)
def test_what_is_surely_an_address_is_one_in_a_request_too(carrier):
    assert share("ip", carrier, ADDRESSES) == 1.0


@pytest.mark.parametrize(
    "text", ['{"n": 609.7569991080222}', '{"total_tokens":123456}', "max_tokens = 100000"]
)
def test_fractions_and_counts_of_tokens_are_nobodys(text):
    assert scan([text], DEFAULT_FLOORS).findings == ()
