"""What was decided and done stands in the lines, member by member, and no text of the caller."""

import asyncio
import json

from bench.receipts import decided, outcome
from msgspec.structs import replace
from tests.unit.stores.writing import files, report, writing

from situs.core.decision import Obligation
from situs.core.label import Label
from situs.core.record import Peer
from situs.core.request import Ask

SECRET = "a name that says too much"


def lines(data, kind):
    found = [json.loads(line) for path in files(data) for line in path.read_bytes().splitlines()]
    return [line for line in found if line["type"] == kind]


def written(data, record, end):
    with writing(data) as writer:
        asyncio.run(writer.decided(record))
        writer.ended(end)
    assert report(data).problems == ()
    [decision], [over] = lines(data, "decision"), lines(data, "outcome")
    return decision, over


def test_obligations_are_there_as_owed_and_as_carried_out(tmp_path):
    record, end = decided(1, b"body"), outcome(1)
    owed = (
        Obligation("redact", findings=("card", "iban")),
        Obligation("max_output_tokens", deployment="d0", limit=100),
    )
    policy = replace(record.decision.policy, obligations=owed, declassify=Label.INTERNAL)
    record = replace(record, decision=replace(record.decision, policy=policy))
    done = {"max_output_tokens": 1, "redact": 3}
    attempt = replace(end.attempts[0], obligations=done, operator="Rack Ltd", weights="ab" * 32)
    failed = replace(attempt, obligations={}, peer=None, weights=None, model="other")
    decision, over = written(tmp_path, record, replace(end, attempts=(failed, attempt)))
    assert decision["policy"]["obligations"] == [
        {"kind": "redact", "findings": ["card", "iban"]},
        {"kind": "max_output_tokens", "deployment": "d0", "limit": 100},
    ]
    assert decision["policy"]["declassify"] == "internal"
    first, second = over["attempts"]
    assert (first.get("obligations"), first["peer"], first["weights"]) == (None, None, None)
    assert second["obligations"] == done
    assert (second["operator"], second["weights"]) == ("Rack Ltd", "ab" * 32)


def test_peers_are_there_with_the_certificate_that_they_showed(tmp_path):
    end = outcome(1)
    peer = Peer("2001:db8::1", 443, "cd" * 32)
    end = replace(end, attempts=(replace(end.attempts[0], peer=peer),))
    _, over = written(tmp_path, decided(1, b"body"), end)
    assert over["attempts"][0]["peer"] == {
        "address": "2001:db8::1",
        "port": 443,
        "tls_sha256": "cd" * 32,
    }


def test_a_session_has_its_labels_before_and_after_and_no_name(tmp_path):
    record = decided(1, b"body")
    request = replace(
        record.request,
        ask=Ask(session=SECRET, data=SECRET),
        model=SECRET,
        session_label=Label.INTERNAL,
    )
    record = replace(record, request=request, session=Label.CONFIDENTIAL)
    decision, _ = written(tmp_path, record, outcome(1))
    assert decision["request"]["session"] == {"before": "internal", "after": "confidential"}
    ask = decision["request"]["ask"]
    assert {len(ask["session"]), len(ask["data"])} == {64}
    assert ask["session"] != ask["data"]
    assert all(SECRET.encode() not in path.read_bytes() for path in tmp_path.rglob("*.*"))


def test_data_sets_are_there_by_their_declared_names(tmp_path):
    record = decided(1, b"body")
    analysis = replace(record.decision.analysis, data=("handbook", "payroll"))
    record = replace(record, decision=replace(record.decision, analysis=analysis))
    decision, _ = written(tmp_path, record, outcome(1))
    assert decision["analysis"]["data"] == ["handbook", "payroll"]
    assert "session" not in decision["request"]
