"""Addresses of crypto-currency wallets."""

from __future__ import annotations

import hashlib
import re

from situs.analysis.sensitivity.detector import RUN, Detector, words
from situs.analysis.sensitivity.doubts import after

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def is_base58(text: str) -> bool:
    """25 bytes of which the last four are a checksum: Bitcoin, Litecoin, Dogecoin, Tron, Dash."""
    return _is_base58(text, _BASE58)


def is_ripple(text: str) -> bool:
    return _is_base58(text, _RIPPLE)


def _is_base58(text: str, alphabet: str) -> bool:
    number = 0
    for char in text:
        number = number * 58 + alphabet.index(char)
    if number.bit_length() > 200:
        return False
    octets = number.to_bytes(25, "big")
    twice = hashlib.sha256(hashlib.sha256(octets[:21]).digest()).digest()
    return twice[:4] == octets[21:]


def is_bech32(text: str) -> bool:
    """BIP 173 and BIP 350: a prefix, and data whose last six characters are a checksum."""
    prefix, _, data = text.lower().rpartition("1")
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    values += [_BECH32.index(char) for char in data]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, term in enumerate(_GENERATOR):
            check ^= term if top >> place & 1 else 0
    return check in (1, 0x2BC830A3)


def is_ethereum(text: str) -> bool | None:
    """40 hexadecimal digits that are not mostly one: burnt and empty addresses are nobody's."""
    return None if len(set(text[2:].lower())) > 5 else False


def is_mixed(text: str) -> bool | None:
    """Letters of both cases and digits, as in base58 of random bytes."""
    mixed = re.search("[a-z]", text) and re.search("[A-Z]", text) and re.search("[0-9]", text)
    return None if mixed else False


_B58 = "[1-9A-HJ-NP-Za-km-z]"

DETECTORS = (
    Detector(
        "wallet_base58",
        "crypto_wallet",
        rf"\b(?:[13LMDATX]{_B58}{{25,33}})\b",
        0.5,
        check=is_base58,
        rough=RUN,
    ),
    Detector(
        "wallet_bech32",
        "crypto_wallet",
        r"\b(?:bc1|tb1|ltc1|addr1|cosmos1)[02-9ac-hj-np-z]{20,110}\b|"
        r"\b(?:BC1|LTC1)[02-9AC-HJ-NP-Z]{20,90}\b",
        0.5,
        check=is_bech32,
        rough=RUN,
    ),
    Detector("wallet_ripple", "crypto_wallet", rf"\br{_B58}{{24,34}}\b", 0.5, is_ripple, rough=RUN),
    Detector(
        "wallet_ethereum",
        "crypto_wallet",
        r"\b0x[0-9A-Fa-f]{40}\b",
        0.7,
        check=is_ethereum,
        rough=RUN,
        doubt=after("sha1?", "hash", "digest", "commit", "checksum"),
    ),
    Detector(
        "wallet_monero", "crypto_wallet", rf"\b[48][0-9AB]{_B58}{{93}}\b", 0.8, is_mixed, rough=RUN
    ),
    Detector(
        "wallet_in_context",
        "crypto_wallet",
        rf"\b{_B58}{{32,44}}\b",
        0.6,
        check=is_mixed,
        context=words("solana", "sol (?:wallet|address)", "phantom wallet"),
    ),
)
