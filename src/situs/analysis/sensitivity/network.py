"""Addresses of networks and machines."""

from __future__ import annotations

import ipaddress
import re

from situs.analysis.sensitivity.detector import Detector

_VERSION = re.compile(
    r"(?i)(?:\b(?:v|ver|versions?|rel|releases?|builds?|firmware|updat\w+|upgrad\w+|downgrad\w+|patch"
    r"|drivers?|packages?|librar\w+|sdk|api|plugins?|modules?|assembly|chrome|firefox|safari|edge"
    r"|opera|section|chapter|clause|paragraph|figure|table|rfc|oid|release)[\s:=\"'(]{0,4}"
    r"(?:\S+[\s:=\"'(]{1,3}){0,3}|[=<>~^!]=?\s*|[A-Za-z_]-?|/)\Z"
)
_NETWORK = re.compile(
    r"(?i)\b(?:ip(?:v4)?|address\w*|hosts?|hostname|server|ping|ssh|dns|subnet|netmask|gateway|proxy"
    r"|router|firewall|vpn|lan|client|remote|from|login|logged|listen\w*|connect\w*|nameserver|bind"
    r"|blocked|ban(?:ned)?|https?|get|post|cidr|traffic|port|visitor|wan|inet|icmp|tcp|udp)\b|://\Z"
)
_PATH = re.compile(r"(?:^|[\s\"'(=])(?:[a-z]{2,10}://[^\s/]+)?/(?:[^\s/]+/)*\Z")
"""A path of a request or a URL, of which it is a step: only its numbers tell."""

_FROM = re.compile(r"(?i)\bfrom\b")
_TO, _AFTER = re.compile(r" to v?[0-9]+\.[0-9]"), re.compile(r"[0-9]\.[0-9]+ to \Z")
_PORT = re.compile(r":[0-9]{2,5}\b|/[0-9]{1,2}\b")
_CALLED = re.compile(r"\W{0,3}(?:\w+\W+)?(?:releases?|versions?|builds?|updates?|patch|is out)\b")
_SIGN = re.compile(r"[^\W\d]|[=<>~^!/]")
"""Without one of these nothing is a version by what stands before it."""

_SMALL, _LARGE = 32, 2
"""Versions seldom begin with so large a number; an address at random hardly ever has fewer than
two."""


def is_ipv4(text: str) -> bool | None:
    """Four numbers that fit, but not 0.0.0.0, a loopback or a mask."""
    return None if text.partition(".")[0] not in ("0", "127", "255") else False


def is_version(before: str, text: str, behind: str) -> bool:
    """Whether four numbers are rather a version, or a numbered part of a text."""
    parts = [int(part) for part in text.split(".")]
    large = sum(part >= _SMALL for part in parts) >= _LARGE
    large = large and (parts[0] >= _SMALL or parts[0] == 10)
    if _SIGN.search(before) and _PATH.search(before):
        return not large
    if (_SIGN.search(before) and _VERSION.search(before)) or _CALLED.match(behind):
        near = before[-24:]
        return _NETWORK.search(near if large else _FROM.sub("", near)) is None
    if large:
        return False
    if _TO.match(behind) or _AFTER.search(before):
        before = _FROM.sub("", before)
    told = _PORT.match(behind) or _NETWORK.search(before) or _NETWORK.match(behind.lstrip(" ),"))
    return told is None


def is_ipv6(text: str) -> bool:
    """RFC 4291; at least three groups, so that a time or a namespace of C++ is none."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    groups = [group for group in text.split(":") if group]
    return len(groups) >= 3 and not (address.is_loopback or address.is_unspecified)


def is_mac(text: str) -> bool | None:
    """48 bits, not all the same; digits alone are one only with colons."""
    digits = re.sub("[^0-9a-f]", "", text.lower())
    if len(set(digits)) == 1 or (digits.isdigit() and ":" not in text):
        return False
    return None if digits.isdigit() else True


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_BEFORE, _BEHIND = r"(?:^|[^0-9A-Za-z.\-])", r"(?:$|[^0-9A-Za-z.\-_]|\.(?:$|[^0-9])|-(?:$|[^0-9]))"
_H = "[0-9A-Fa-f]"

DETECTORS = (
    Detector(
        "ipv4",
        "ip",
        rf"{_BEFORE}((?:{_OCTET}\.){{3}}{_OCTET}){_BEHIND}",
        0.6,
        check=is_ipv4,
        doubt=is_version,
    ),
    Detector(
        "ipv6",
        "ip",
        rf"(?:^|[^0-9A-Za-z:.])((?:{_H}{{1,4}}:){{7}}{_H}{{1,4}}|"
        rf"(?:{_H}{{1,4}}:){{1,7}}:(?:{_H}{{1,4}}(?::{_H}{{1,4}}){{0,6}})?)(?:$|[^0-9A-Za-z:])",
        0.8,
        check=is_ipv6,
        gate=rf"{_H}{{1,4}}:{_H}{{0,4}}:{_H}{{0,4}}",
    ),
    Detector(
        "mac_address",
        "mac",
        rf"(?:^|[^0-9A-Za-z:\-])({_H}{{2}}(?:(?::{_H}{{2}}){{5}}|(?:-{_H}{{2}}){{5}})|"
        rf"{_H}{{4}}\.{_H}{{4}}\.{_H}{{4}})(?:$|[^0-9A-Za-z:\-])",
        0.8,
        check=is_mac,
    ),
)
