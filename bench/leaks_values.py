"""Made-up values for the corpus of `situs eval leaks`: valid by their checksums, nobody's."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from importlib import import_module

from situs.analysis.sensitivity import wallets
from situs.analysis.sensitivity.checks import is_nhi, is_taj
from situs.analysis.sensitivity.money import IBAN_LENGTHS, is_iban, luhn

DIGITS, UPPER, LOWER = string.digits, string.ascii_uppercase, string.ascii_lowercase
ALNUM = UPPER + LOWER + DIGITS
_TRIES = 400_000

SHAPES = {
    "au.tfn": ("NNNNNNNNN", "### ### ###"),
    "nz.ird": ("1NNNNNNNN", "###-###-###"),
    "in_.aadhaar": ("NNNNNNNNNNNN", "#### #### ####"),
    "in_.pan": ("AAAPANNNNA", "##########"),
    "jp.in_": ("NNNNNNNNNNNN", "#### #### ####"),
    "us.ssn": ("NNNNNNNNN", "###-##-####"),
    "ca.sin": ("NNNNNNNNN", "### ### ###"),
    "br.cpf": ("NNNNNNNNNNN", "###.###.###-##"),
    "cl.rut": ("1NNNNNNNN", "########-#"),
    "ar.cuit": ("20NNNNNNNNN", "##-########-#"),
    "mx.curp": ("AEAAyymmddHDFBCDNN", "##################"),
    "gb.nhs": ("NNNNNNNNNN", "### ### ####"),
    "gb.utr": ("NNNNNNNNNN", "##########"),
    "ie.pps": ("NNNNNNNA", "########"),
    "de.idnr": ("NNNNNNNNNNN", "## ### ### ###"),
    "at.vnr": ("NNNNddmmyy", "#### ######"),
    "ch.ssn": ("756NNNNNNNNNN", "###.####.####.##"),
    "fr.nir": ("1yymm75NNNNNNNN", "# ## ## ## ### ### ##"),
    "nl.bsn": ("NNNNNNNNN", "#########"),
    "be.nn": ("yymmddNNNNN", "##.##.##-###.##"),
    "es.dni": ("NNNNNNNNA", "########-#"),
    "es.nie": ("XNNNNNNNA", "#-#######-#"),
    "pt.nif": ("2NNNNNNNN", "### ### ###"),
    "it.codicefiscale": ("BCDFGHyyAddHNNNA", "################"),
    "se.personnummer": ("yymmddNNNN", "######-####"),
    "no.fodselsnummer": ("ddmmyyNNNNN", "###### #####"),
    "fi.hetu": ("ddmmyy-NNNA", "###########"),
    "is_.kennitala": ("ddmmyyNNN9", "######-####"),
    "ee.ik": ("3yymmddNNNN", "###########"),
    "lt.asmens": ("3yymmddNNNN", "###########"),
    "pl.pesel": ("yymmddNNNNN", "###########"),
    "cz.rc": ("yymmddNNNN", "######/####"),
    "ro.cnp": ("1yymmdd12NNNN", "#############"),
    "bg.egn": ("yymmddNNNN", "##########"),
    "hr.oib": ("NNNNNNNNNNN", "###########"),
    "si.emso": ("ddmm985500NNN", "#############"),
    "gr.amka": ("ddmmyyNNNNN", "###########"),
    "ru.inn": ("NNNNNNNNNNNN", "############"),
    "ua.rntrc": ("NNNNNNNNNN", "##########"),
    "th.pin": ("1NNNNNNNNNNNN", "#-####-#####-##-#"),
    "kr.rrn": ("yymmdd1NNNNNN", "######-#######"),
    "cn.ric": ("11010519yymmddNNNN", "##################"),
    "il.idnr": ("NNNNNNNNN", "#########"),
    "tr.tckimlik": ("1NNNNNNNNNN", "###########"),
    "za.idnr": ("yymmddNNNN08N", "#############"),
    "pk.cnic": ("3520NNNNNNNNN", "#####-#######-#"),
}
"""By module of python-stdnum: what to draw from (N a digit, A a letter, dates), and how it is
written. Drawn again until that module says it is valid."""


class Made:
    """Values drawn from one seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def pick(self, alphabet: str, size: int) -> str:
        return "".join(self.draw.choices(alphabet, k=size))

    def until(self, make: Callable[[], str], good: Callable[[str], object]) -> str:
        for _ in range(_TRIES):
            value = make()
            if good(value):
                return value
        raise RuntimeError("no valid value was found")

    def national(self, module: str) -> str:
        shape, form = SHAPES[module]
        valid = import_module(f"stdnum.{module}").is_valid
        return written(self.until(lambda: self._shaped(shape), valid), form)

    def _shaped(self, shape: str) -> str:
        year, month, day = (
            self.draw.randint(61, 99),
            self.draw.randint(1, 12),
            self.draw.randint(1, 28),
        )
        shape = shape.replace("yy", f"{year:02}").replace("mm", f"{month:02}")
        shape = shape.replace("dd", f"{day:02}")
        return "".join(
            self.draw.choice(DIGITS)
            if one == "N"
            else self.draw.choice(UPPER)
            if one == "A"
            else one
            for one in shape
        )

    def ssn(self) -> str:
        return self.national("us.ssn")

    def medicare(self) -> str:
        """Australia."""
        head = self.draw.choice("23456") + self.pick(DIGITS, 7)
        check = sum(int(a) * b for a, b in zip(head, (1, 3, 7, 9, 1, 3, 7, 9), strict=True)) % 10
        return written(f"{head}{check}1", "#### ##### #")

    def nhi(self) -> str:
        return self.until(
            lambda: self.pick("ABCDEFGHJKLMNPQRSTUVWXYZ", 3) + self.pick(DIGITS, 4), is_nhi
        )

    def taj(self) -> str:
        return written(self.until(lambda: self.pick(DIGITS, 9), is_taj), "### ### ###")

    def card(self, prefix: str, size: int = 16) -> str:
        return self.until(lambda: prefix + self.pick(DIGITS, size - len(prefix)), luhn)

    def iban(self, country: str) -> str:
        body = {"GB": "NWBK", "NL": "ABNA", "IE": "AIBK", "LV": "HABA", "BG": "BNBG", "RO": "BTRL"}
        bank = body.get(country, "")
        size = IBAN_LENGTHS[country] - 4 - len(bank)
        account = self.pick(DIGITS, size)
        return next(
            iban for n in range(2, 99) if is_iban(iban := f"{country}{n:02}{bank}{account}")
        )

    def wallet(self) -> str:
        """Bitcoin, with the checksum of Base58Check."""
        import hashlib

        raw = b"\0" + self.draw.randbytes(20)
        raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
        number, text = int.from_bytes(raw, "big"), ""
        alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
        while number:
            number, rest = divmod(number, 58)
            text = alphabet[rest] + text
        assert wallets.is_base58("1" + text)
        return "1" + text

    def ethereum(self) -> str:
        return "0x" + self.draw.randbytes(20).hex()

    def pem(self, name: str) -> str:
        body = base64.b64encode(self.draw.randbytes(240)).decode()
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"

    def jwt(self) -> str:
        def part(value: object) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

        header = part({"alg": "HS256", "typ": "JWT"})
        return f"{header}.{part({'sub': self.pick(DIGITS, 8)})}.{self.pick(ALNUM, 43)}"

    def password(self) -> str:
        words = ("harbour", "Quince", "velvet", "Tundra", "maple", "Osprey", "cobalt", "Lantern")
        chosen = self.draw.choice(words), self.draw.choice(words)
        return f"{chosen[0]}{self.draw.choice('-_#%+')}{chosen[1]}{self.draw.randint(10, 9999)}"

    def uuid(self) -> str:
        text = self.draw.randbytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def written(value: str, form: str) -> str:
    """The characters of a value in the places of a form."""
    chars = iter(value)
    return "".join(next(chars) if one == "#" else one for one in form)


def grouped(value: str, size: int = 4, between: str = " ") -> str:
    return between.join(value[at : at + size] for at in range(0, len(value), size))
