"""Who may call: over a real server, with raw requests and the openai client."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from contextlib import contextmanager

import msgspec
import openai
import pytest
import uvicorn

from situs.core.request import Principal
from situs.errors import ConfigError, RateLimited
from situs.http.app import App
from situs.http.auth import ANYONE, Auth, Rate, check_listener, key_required, scope_of
from situs.http.guard import Guard
from situs.http.guarded import GuardedProtocol
from situs.http.respond import send_json
from situs.trust.allowance import Authority, Grant
from situs.trust.api_keys import NO_KEYS, Grants, Scope, create_key, load_keys, revoke_key

CHAT = "/v1/chat/completions"
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello"}]})


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/livez", None),
        ("/readyz", None),
        (CHAT, Scope.INFERENCE),
        ("/v1/embeddings", Scope.INFERENCE),
        ("/v1/models", Scope.INFERENCE),
        ("/v1/models/x", Scope.INFERENCE),
        ("/situs/v1/explain", Scope.INFERENCE),
        ("/situs/v1/explain/embeddings", Scope.INFERENCE),
        ("/situs/v1/explained", Scope.ADMIN),
        ("/situs/v1/fleet", Scope.ADMIN),
        ("/situs/v1/", Scope.ADMIN),
        ("/metrics", Scope.ADMIN),
        ("/livez/", Scope.ADMIN),
        ("/v1", Scope.ADMIN),
        ("/what/comes/next", Scope.ADMIN),
    ],
)
def test_every_path_needs_a_scope_but_the_two_probes(path, scope):
    assert scope_of(path) is scope


@pytest.mark.parametrize(
    ("host", "always", "required"),
    [
        ("127.0.0.1", False, False),
        ("::1", False, False),
        ("localhost", True, True),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("10.0.0.1", False, True),
        ("gateway.example", False, True),
    ],
)
def test_a_key_is_needed_beyond_loopback_or_when_asked_for(host, always, required):
    assert key_required(host, always) is required


def test_beyond_loopback_is_listened_only_with_a_key_that_can_infer(tmp_path, caplog):
    now = time.time()
    check_listener("127.0.0.1", load_keys(tmp_path), now)
    create_key(tmp_path, Grants(name="a", scopes=(Scope.ADMIN,)), now)
    create_key(tmp_path, Grants(name="b", expires=now - 1), now)
    with pytest.raises(ConfigError, match="no API key with which to call") as caught:
        check_listener("0.0.0.0", load_keys(tmp_path), now)
    assert "situs keys create" in caught.value.advice
    create_key(tmp_path, Grants(name="c"), now)
    assert "TLS" not in caplog.text
    check_listener("0.0.0.0", load_keys(tmp_path), now)
    assert "put a proxy that terminates TLS in front" in caplog.text


# Over HTTP


class House:
    """A gateway's front door, with nothing behind it but a greeting to whoever got in."""

    def __init__(self, data, required):
        self.data = data
        self.authority = Authority()
        self.leased = 0
        self.port = 0
        self.ahead_s = 0.0
        self.auth = Auth(load_keys(data), required, self.lease, self.wall)
        routes = {
            ("POST", CHAT): self.chat,
            ("GET", "/v1/models"): self.who,
            ("POST", "/situs/v1/explain"): self.who,
            ("GET", "/situs/v1/fleet"): self.who,
            ("GET", "/livez"): self.who,
        }
        guard = Guard(origins=frozenset({"https://app.example.org"}))
        self.app = App(routes, guard, 1_000_000, self.auth)

    async def lease(self, report):
        self.leased += 1
        return self.authority.settle("w", report, time.monotonic())

    def wall(self):
        return time.time() + self.ahead_s

    async def who(self, call):
        await send_json(call.send, 200, call.caller)

    async def chat(self, call):
        message = {"role": "assistant", "content": call.caller.principal.key}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        head = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
        await send_json(call.send, 200, {**head, "choices": [choice]})

    def key(self, name="ci", **grants):
        kept, key = create_key(self.data, Grants(name=name, **grants), time.time())
        self.reload()
        return kept.id, key

    def reload(self):
        table = load_keys(self.data)
        self.authority.publish(table.limits())
        self.auth.table = table

    def call(self, method, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = None
        if method == "POST":
            body, sent = BODY, {"content-type": "application/json", **sent}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), json.loads(answer.read())
        finally:
            connection.close()

    def client(self, key):
        base = f"http://127.0.0.1:{self.port}/v1"
        return openai.OpenAI(base_url=base, api_key=key, max_retries=0)


@contextmanager
def opened(house):
    listener = socket.create_server(("127.0.0.1", 0))
    house.port = listener.getsockname()[1]
    config = uvicorn.Config(house.app, http=GuardedProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield house
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def strict(tmp_path):
    with opened(House(tmp_path, required=True)) as house:
        yield house


@pytest.fixture
def loose(tmp_path):
    with opened(House(tmp_path, required=False)) as house:
        yield house


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def code(answer):
    return answer[0], answer[2]["error"]["code"]


def test_a_key_is_taken_from_either_header_and_says_who_calls(strict):
    key_id, key = strict.key(tenant="research", groups=("a", "b"))
    for headers in (
        bearer(key),
        {"authorization": f"bearer  {key} "},
        {"x_api_key": key},
        {**bearer(key), "x_api_key": key},
        {"authorization": "Basic dTpw", "x_api_key": key},
    ):
        status, _, told = strict.call("GET", "/v1/models", **headers)
        assert status == 200
        assert told["principal"] == {"tenant": "research", "key": key_id, "groups": ["a", "b"]}


def wrong(key):
    """A key that is not one of ours, in every way one may not be."""
    return [
        bearer(key[:-1]),
        bearer(key[6:]),
        bearer("situs_00000000_" + "0" * 43),
        bearer("sk-" + "0" * 40),
        bearer("-"),
        bearer("\xff\xfe"),
        {**bearer(key), "x_api_key": "another"},
        {**bearer("-"), "x_api_key": key},
    ]


def test_what_is_no_key_of_ours_is_always_answered_alike(strict):
    revoked_id, revoked = strict.key("revoked")
    _, key = strict.key()
    revoke_key(strict.data, revoked_id, time.time())
    strict.reload()
    for headers in [*wrong(key), bearer(revoked)]:
        answer = strict.call("GET", "/v1/models", **headers)
        assert code(answer) == (401, "invalid_key")
        assert answer[1]["www-authenticate"] == "Bearer"
    one = strict.call("GET", "/v1/models", **bearer(revoked))
    other = strict.call("GET", "/v1/models", **bearer("situs_00000000_" + "0" * 43))
    assert one[2] == other[2]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic dTpw"}, {"x_api_key": " "}])
def test_without_a_key_nothing_but_the_probes_is_served(strict, headers):
    for method, path in [
        ("GET", "/v1/models"),
        ("POST", CHAT),
        ("POST", "/situs/v1/explain"),
        ("GET", "/situs/v1/fleet"),
    ]:
        answer = strict.call(method, path, **headers)
        assert code(answer) == (401, "missing_key")
        assert answer[1]["www-authenticate"] == "Bearer"
    status, _, told = strict.call("GET", "/livez", **headers)
    assert (status, told["scopes"]) == (200, [])


def test_a_key_may_do_what_it_is_for_and_nothing_else(strict):
    _, infers = strict.key("a")
    _, administers = strict.key("b", scopes=(Scope.ADMIN,))
    _, both = strict.key("c", scopes=(Scope.ADMIN, Scope.INFERENCE))
    for method, path, key, ok in [
        ("POST", CHAT, infers, True),
        ("POST", CHAT, administers, False),
        ("POST", "/situs/v1/explain", infers, True),
        ("POST", "/situs/v1/explain", administers, False),
        ("GET", "/situs/v1/fleet", infers, False),
        ("GET", "/situs/v1/fleet", administers, True),
        ("POST", CHAT, both, True),
        ("GET", "/situs/v1/fleet", both, True),
        ("GET", "/livez", infers, True),
    ]:
        answer = strict.call(method, path, **bearer(key))
        assert answer[0] == 200 if ok else code(answer) == (403, "scope_missing")


def test_a_key_ends_while_the_gateway_runs(strict):
    _, key = strict.key(expires=time.time() + 100)
    assert strict.call("GET", "/v1/models", **bearer(key))[0] == 200
    strict.ahead_s = 101.0
    assert code(strict.call("GET", "/v1/models", **bearer(key))) == (401, "key_expired")


def test_a_new_table_holds_from_the_next_request_on(strict):
    key_id, key = strict.key()
    assert strict.call("GET", "/v1/models", **bearer(key))[0] == 200
    revoke_key(strict.data, key_id, time.time())
    strict.reload()
    assert strict.call("GET", "/v1/models", **bearer(key))[0] == 401


@pytest.mark.parametrize(
    "headers", [{}, bearer("-"), bearer("sk-anything"), {"x_api_key": "x"}, {"authorization": "?"}]
)
def test_on_loopback_anyone_may_call_with_any_word_that_is_no_key(loose, headers):
    for path in ("/v1/models", "/situs/v1/fleet", "/livez"):
        status, _, told = loose.call("GET", path, **headers)
        assert status == 200
        assert msgspec.convert(told, type(ANYONE)) == ANYONE


def test_on_loopback_whoever_presents_a_key_of_ours_means_it(loose):
    key_id, key = loose.key()
    assert loose.call("GET", "/v1/models", **bearer(key))[2]["principal"]["key"] == key_id
    assert code(loose.call("GET", "/situs/v1/fleet", **bearer(key))) == (403, "scope_missing")
    assert code(loose.call("GET", "/v1/models", **bearer(key[:-1]))) == (401, "invalid_key")
    assert code(loose.call("GET", "/livez", **bearer("situs_"))) == (401, "invalid_key")
    revoke_key(loose.data, key_id, time.time())
    loose.reload()
    assert code(loose.call("GET", "/v1/models", **bearer(key))) == (401, "invalid_key")


def test_a_key_header_twice_is_no_request(strict):
    _, key = strict.key()
    with socket.create_connection(("127.0.0.1", strict.port), 10) as raw:
        head = f"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {key}\r\n"
        raw.sendall((head + "x-api-key: other\r\n\r\n").encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


def test_a_page_of_an_allowed_origin_asks_first_and_needs_a_key_then(strict):
    origin = {"origin": "https://app.example.org"}
    status, headers, _ = strict.call("OPTIONS", CHAT, **origin)
    assert status == 200
    allowed = headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "x-api-key"} <= set(allowed)
    assert code(strict.call("POST", CHAT, **origin)) == (401, "missing_key")


# The openai client


def ask(client):
    return client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "Hello"}]
    )


def test_the_openai_client_meets_the_errors_it_knows(strict):
    key_id, key = strict.key()
    assert ask(strict.client(key)).choices[0].message.content == key_id
    with pytest.raises(openai.AuthenticationError) as unknown:
        ask(strict.client("sk-nothing"))
    assert unknown.value.code == "invalid_key"
    with pytest.raises(openai.PermissionDeniedError) as scope:
        ask(strict.client(strict.key("b", scopes=(Scope.ADMIN,))[1]))
    assert scope.value.code == "scope_missing"


def test_the_openai_client_meets_a_limit_and_when_to_come_back(strict):
    _, key = strict.key(rpm=3)
    client = strict.client(key)
    left = []
    for _ in range(3):
        raw = client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": "Hello"}]
        )
        assert raw.headers["x-ratelimit-limit-requests"] == "3"
        assert raw.headers["x-ratelimit-reset-requests"].endswith("s")
        left.append(raw.headers["x-ratelimit-remaining-requests"])
    assert left == ["2", "1", "0"]
    with pytest.raises(openai.RateLimitError) as over:
        ask(client)
    assert over.value.code == "rate_limited"
    headers = over.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert 1 <= int(headers["x-ratelimit-reset-requests"].rstrip("s")) <= 60


def test_requests_at_once_share_the_asking_and_never_exceed_the_limit(strict):
    _, key = strict.key(rpm=20)
    statuses = []

    def call():
        statuses.append(strict.call("GET", "/v1/models", **bearer(key))[0])

    threads = [threading.Thread(target=call) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [200] * 20 + [429] * 20


def test_one_who_comes_as_an_asking_ends_asks_anew(tmp_path):
    """What was granted is taken by another, and the loop has not forgotten the asking yet."""
    authority = Authority({"k": 5})
    readings = iter(range(200))

    async def lease(report):
        return authority.settle("w", report, 0.0)

    def clock():
        assert next(readings, None) is not None, "one request keeps the loop for itself"
        return 0.0

    async def three():
        auth = Auth(NO_KEYS, True, lease, clock=clock)
        identity = msgspec.structs.replace(ANYONE, principal=Principal(key="k"), rpm=5)

        async def later():
            await asyncio.sleep(0)
            return await auth.admit(identity)

        return await asyncio.gather(auth.admit(identity), later(), later())

    assert sorted(rate.remaining for rate in asyncio.run(three())) == [2, 3, 4]


def test_one_keys_limit_is_not_anothers(strict):
    _, slow = strict.key("slow", rpm=1)
    _, fast = strict.key("fast")
    assert [strict.call("GET", "/v1/models", **bearer(slow))[0] for _ in range(2)] == [200, 429]
    answer = strict.call("GET", "/v1/models", **bearer(fast))
    assert answer[0] == 200
    assert "x-ratelimit-limit-requests" not in answer[1]
    assert strict.leased == 2


def test_a_key_is_in_no_answer_and_in_no_log(strict, caplog):
    caplog.set_level(logging.DEBUG)
    key_id, key = strict.key(rpm=1)
    secret = key.rpartition("_")[2]
    said = [
        repr(strict.call("GET", path, **headers))
        for path in ("/v1/models", "/v1/models", "/situs/v1/fleet", "/nowhere")
        for headers in (bearer(key), {"x_api_key": key}, bearer(key + "x"))
    ]
    revoke_key(strict.data, key_id, time.time())
    strict.reload()
    said.append(repr(strict.call("GET", "/v1/models", **bearer(key))))
    assert secret not in "".join(said) + caplog.text


# What a worker does when its link fails


def limited(lease):
    identity = msgspec.structs.replace(ANYONE, principal=Principal(key="0a1b2c3d"), rpm=5)
    return Auth(NO_KEYS, True, lease), identity


async def _broken(report):
    raise BrokenPipeError("the parent is gone")


async def _never(report):
    return Grant(retry_after_s=30.0)


@pytest.mark.parametrize(("lease", "retry_after_s"), [(_broken, 1), (_never, 30)])
def test_what_cannot_be_leased_is_refused(lease, retry_after_s):
    auth, identity = limited(lease)

    async def admitted():
        with pytest.raises(RateLimited) as refused:
            await auth.admit(identity)
        return refused.value.retry_after_s

    assert asyncio.run(admitted()) == retry_after_s


def test_a_key_without_a_limit_asks_nobody():
    auth, _ = limited(_broken)
    assert asyncio.run(auth.admit(ANYONE)) is None


def test_a_caller_that_leaves_while_it_waits_loses_nothing():
    authority, arrived = Authority({"0a1b2c3d": 5}), asyncio.Event()

    async def slowly(report):
        await arrived.wait()
        return authority.settle("w", report, 0.0)

    async def history():
        auth, identity = limited(slowly)
        gone = asyncio.create_task(auth.admit(identity))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        arrived.set()
        rates = [await auth.admit(identity) for _ in range(5)]
        with pytest.raises(RateLimited):
            await auth.admit(identity)
        return rates

    rates = asyncio.run(history())
    assert [rate.remaining for rate in rates] == [4, 3, 2, 1, 0]
    assert isinstance(rates[0], Rate)
