"""What policies of the library let leave, and as what: through a gateway, to a scripted cloud."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace
from tests import make
from tests.unit.test_gateway import Kept
from tests.unit.test_obligations import CARD, Echo, asked, cloud

from situs.analysis import DEFAULT_FLOORS
from situs.core.capability import CapabilityClass
from situs.core.fleet import Transit
from situs.core.label import Label
from situs.core.request import Ask
from situs.core.snapshot import Labels
from situs.rego.embedded import load
from situs.rego.library import shipped

IBAN = "DE89 3704 0044 0532 0130 00"
MEDICARE = "2123 45670 1"


def served(policy, text, *, word=False, ask=None, deployment=None):
    """What was sent to the cloud (None: nothing), what the caller got, and the error's code."""

    async def story():
        answer = await make.gateway(kept, approvals=make.Approvals(word)).handle(request)
        data = b"".join([chunk.data async for chunk in answer.chunks()])
        await answer.close()
        return answer, data

    kept, request = Kept(), asked(text, ask=ask or Ask())
    fleet = make.view(deployment or place())
    kept.fixed = replace(
        make.snapshot(fleet, load([shipped(f"examples/{policy}")])), labels=Labels(DEFAULT_FLOORS)
    )
    kept.backends = Echo()
    answer, data = asyncio.run(story())
    sent = kept.backends.sent.get("cloud")
    said = json.loads(data)["choices"][0]["message"]["content"] if data else None
    code = None if answer.error is None else answer.error.code
    return sent and json.dumps(sent.document), said, code


def place(**facts):
    locus = {
        "operator": "Example Cloud",
        "jurisdiction": "US",
        "transit": Transit.NONE,
        "retention": "none",
    }
    return cloud(locus={**locus, **facts.pop("locus", {})}, **facts)


def test_a_card_leaves_as_a_word():
    sent, said, _ = served("pci_cards", f"Charge {CARD}, please.")
    assert CARD not in sent
    assert said == "You said: Charge [CARD], please."


@pytest.mark.parametrize("ask", [Ask(label=Label.CONFIDENTIAL), Ask(label=Label.RESTRICTED)])
@pytest.mark.parametrize("policy", ["pci_cards", "pseudonyms"])
def test_what_somebody_declared_does_not_leave_even_hidden(policy, ask):
    assert served(policy, f"Charge {CARD}, please.", ask=ask) == (None, None, "placement_denied")


def test_an_iban_leaves_as_another_and_comes_back():
    sent, said, _ = served("pseudonyms", f"Pay to {IBAN}, please.")
    assert IBAN not in sent
    assert said == f"You said: Pay to {IBAN}, please."


def test_a_secret_does_not_leave_under_a_pseudonym():
    secret = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8"
    assert served("pseudonyms", f"My token is {secret}.") == (None, None, "placement_denied")


def test_a_health_record_goes_to_an_associate_with_other_numbers():
    sent, said, _ = served("us_health", f"The patient's Medicare number is {MEDICARE}.")
    assert MEDICARE not in sent
    assert said.endswith(f"Medicare number is {MEDICARE}.")


def test_an_associate_that_keeps_requests_gets_none():
    keeps = place(locus={"retention": "30d"})
    text = f"The patient's Medicare number is {MEDICARE}."
    assert served("us_health", text, deployment=keeps) == (None, None, "no_deployment_fits")


@pytest.mark.parametrize(("word", "code"), [(True, None), (False, "not_approved")])
def test_a_strong_model_sees_it_once_a_person_says_yes(word, code):
    strong = place(capability=CapabilityClass.FRONTIER)
    sent, _, told = served("approval", f"Is {CARD} valid?", word=word, deployment=strong)
    assert (sent is not None, told) == (word, code)


def test_a_site_without_a_way_out_lets_nothing_out():
    assert served("air_gapped", "Hello.") == (None, None, "placement_denied")


def test_what_would_cost_too_much_is_not_sent():
    dear = place(price=(1e6, 1e6))
    assert served("cost_cap", "Hello.", deployment=dear) == (None, None, "placement_denied")
    assert served("cost_cap", "Hello.")[2] is None


def test_an_operator_under_foreign_law_gets_nothing_personal():
    frankfurt = place(locus={"region": "Frankfurt"})
    text = "Write to jan.peeters@example.org about the meeting."
    assert served("eu_residency", text, deployment=frankfurt) == (None, None, "placement_denied")
    paris = place(locus={"region": "Paris", "jurisdiction": "FR"})
    assert served("eu_residency", text, deployment=paris)[2] is None
