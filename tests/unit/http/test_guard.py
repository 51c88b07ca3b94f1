"""Who may speak to the gateway: hosts, origins, content types."""

import pytest

from situs.errors import OriginRefused, UnsupportedMedia
from situs.http.guard import Guard, require_json

GUARD = Guard(frozenset({"ai.example.org"}), frozenset({"https://app.example.org"}))
HERE = "localhost:8080"


def headers(host, origin=None):
    found = {} if host is None else {b"host": host.encode("latin-1")}
    return found if origin is None else {**found, b"origin": origin.encode("latin-1")}


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80"),
        *("[::1]", "[::1]:8080", "ai.example.org", "AI.example.org:443"),
    ],
)
def test_a_host_of_ours_passes(host):
    assert GUARD.check(headers(host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", ":80", "evil.example", "evil.example:8080", "localhost.evil.example"),
        *("evil.localhost", "127.0.0.2", "127.0.0.1.nip.io", "0.0.0.0", "[::2]", "::1"),
        *("ai.example.org.", "ai.example.org@evil.example", "x@localhost", "localhost:80:90"),
        *("\xa0localhost", "localhost "),
    ],
)
def test_a_host_of_another_is_refused(host):
    with pytest.raises(OriginRefused):
        GUARD.check(headers(host))


@pytest.mark.parametrize(
    "host", ["10.0.0.7", "10.0.0.7:7488", "[2001:db8::7]", "[2001:db8::7]:80", "localhost"]
)
def test_a_gateway_reached_by_its_address_takes_any_address(host):
    assert Guard(addresses=True).check(headers(host)) is None
    if host != "localhost":
        with pytest.raises(OriginRefused):
            Guard().check(headers(host))


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "10.0.0.7.nip.io", "10.0.7", "2001:db8::7", "[10.0.0.7]", "[::1", ""),
        *("10.0.0.7:80:90", "[2001:db8::7]x", "10.0.0.256", "0x0a000007", "167772167"),
    ],
)
def test_what_is_no_address_is_no_address(host):
    with pytest.raises(OriginRefused):
        Guard(addresses=True).check(headers(host))


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (f"http://{HERE}", None),
        (f"https://{HERE}", None),
        ("HTTP://Localhost:8080", None),
        ("https://app.example.org", "https://app.example.org"),
        ("https://APP.example.org", "https://app.example.org"),
    ],
)
def test_an_origin_that_may(origin, expected):
    assert GUARD.check(headers(HERE, origin)) == expected


@pytest.mark.parametrize(
    "origin",
    [
        *("", "null", "*", "https://evil.example", "http://localhost", "http://localhost:9"),
        *("http://app.example.org", "https://app.example.org:444", "https://app.example.org/"),
        *("https://app.example.org.evil.example", "file://", f"http://{HERE}.evil.example"),
    ],
)
def test_an_origin_that_may_not(origin):
    with pytest.raises(OriginRefused) as caught:
        GUARD.check(headers(HERE, origin))
    assert caught.value.status == 403


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b" application/json ;x",
    ],
)
def test_json_is_taken(kind):
    require_json({b"content-type": kind})


@pytest.mark.parametrize(
    "kind",
    [
        *(None, b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"),
        *(b"application/jsonl", b"text/plain; application/json", b"application/json, text/plain"),
    ],
)
def test_what_a_web_page_may_post_unasked_is_refused(kind):
    with pytest.raises(UnsupportedMedia):
        require_json({} if kind is None else {b"content-type": kind})
