"""Writes the corpus of `situs eval leaks`: `python -m bench.leaks_corpus`. The same each time.

Values come from `bench.leaks_values`, sentences from `leaks_texts.toml`. Secrets are cut in the
file and put together when it is read.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.leaks_values import ALNUM, DIGITS, SHAPES, UPPER, Made, grouped
from situs.studies.eval_leaks import CUT

TARGET = Path("src/situs/studies/leaks.jsonl")
SEED = 20261122
Row = dict[str, Any]
Fields = dict[str, Any]

_PREFIXES = ("4", "51", "2221", "6011", "4539", "65", "5500")
_COUNTRIES = re.findall(
    "..",
    "DEFRGBESITNLBEATCHPTPLSENODKFIIEGRCZHUROBGHRSISKEELVLTLUCYMTTR",
)
_PHONES = (
    *("+61 412 345 678", "+44 7700 900321", "+49 30 901820", "+33 6 12 34 56 78"),
    *("+1 (415) 555-2671", "+34 612 345 678", "+39 347 123 4567", "+81 90-1234-5678"),
    *("+64 21 345 678", "+91 98765 43210", "+55 11 91234-5678", "+46 70 123 45 67"),
    *("+31 6 12345678", "+48 512 345 678", "+27 82 345 6789", "+353 86 123 4567"),
)
_ADDRESSES = ("203.99.14.7", "81.2.69.160", "10.44.3.12", "2a02:8108:9640:1a68::17", "198.41.0.4")


class Corpus:
    def __init__(self) -> None:
        texts = Path(__file__).with_name("leaks_texts.toml").read_text("utf-8")
        self.say: dict[str, Any] = tomllib.loads(texts)
        self.made = Made(SEED)
        self._forms = cycle((plain, chat, payload, table, code, system, tool_result, tool_call))

    def rows(self) -> Iterator[Row]:
        yield from self.identifiers()
        yield from self.money()
        yield from self.contacts()
        yield from self.secrets()
        yield from self.names()
        yield from self.clean()

    def sensitive(self, kind: str, said: str, value: str) -> Row:
        """The sentence in the next form."""
        fields = next(self._forms)(said.replace("{v}", value))
        return {**fields, "sensitive": True, "kinds": [kind], "values": [value]}

    def identifiers(self) -> Iterator[Row]:
        for module in SHAPES:
            for said in self.say["national"][module]:
                kind = "health_id" if module == "gb.nhs" else "national_id"
                for _ in range(2):
                    yield self.sensitive(kind, said, self.made.national(module))
        draw, health = self.made, self.say["health"]
        for name, kind, make in (
            ("medicare", "health_id", draw.medicare),
            ("nhi", "health_id", draw.nhi),
            ("taj", "health_id", draw.taj),
            ("mrn", "health_id", lambda: draw.pick(DIGITS, 8)),
            ("passport", "national_id", lambda: draw.pick(UPPER, 2) + draw.pick(DIGITS, 7)),
            ("licence", "national_id", lambda: draw.pick(UPPER, 1) + draw.pick(DIGITS, 9)),
        ):
            for said in health[name]:
                yield self.sensitive(kind, said, make())

    def money(self) -> Iterator[Row]:
        ways: tuple[Callable[[str], str], ...] = (str, grouped, partial(grouped, between="-"))
        forms = cycle(ways)
        for said in self.say["card"]["says"]:
            for prefix in _PREFIXES:
                yield self.sensitive("card", said, next(forms)(self.made.card(prefix)))
        for said, country in zip(cycle(self.say["iban"]["says"]), _COUNTRIES * 2, strict=False):
            yield self.sensitive("iban", said, next(forms)(self.made.iban(country)))
        other, draw = self.say["other"], self.made
        for said in other["account"] * 3:
            yield self.sensitive(
                "bank_account", said, draw.pick("123456789", 1) + draw.pick(DIGITS, 8)
            )
        for said in other["btc"] * 3:
            yield self.sensitive("crypto_wallet", said, draw.wallet())
        for said in other["eth"] * 2:
            yield self.sensitive("crypto_wallet", said, draw.ethereum())

    def contacts(self) -> Iterator[Row]:
        other, draw = self.say["other"], self.made.draw
        for said in other["birth"] * 3:
            yield self.sensitive(
                "date_of_birth",
                said,
                f"{draw.randint(1, 28):02}/{draw.randint(1, 12):02}/19{draw.randint(40, 99)}",
            )
        for said in other["email"] * 5:
            user = f"{draw.choice('jkmprst')}.{draw.choice(('marsh', 'okafor', 'weiss', 'lund'))}"
            host = draw.choice(
                ("northgate-clinic.org", "posteo.de", "brightwater.co.nz", "uni-graz.at")
            )
            yield self.sensitive("email", said, f"{user}{draw.randint(1, 99)}@{host}")
        for said, number in zip(cycle(other["phone"]), _PHONES * 2, strict=False):
            yield self.sensitive("phone", said, number)
        for said, address in zip(cycle(other["ip"]), _ADDRESSES * 2, strict=False):
            yield self.sensitive("ip", said, address)

    def secrets(self) -> Iterator[Row]:
        for _ in range(4):
            for said, value in self._credentials():
                fields = next(self._forms)(said.replace("{v}", value))
                yield cut(
                    {**fields, "sensitive": True, "kinds": ["credential"], "values": [value]}, value
                )
        for name in ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"):
            for form in (plain, chat, payload, tool_result):
                value = self.made.pem(name)
                row = {**form(f"Why does this not load?\n{value}"), "sensitive": True}
                yield cut(
                    {**row, "kinds": ["private_key"], "values": [value.split("\n")[1]]}, value
                )

    def _credentials(self) -> Iterator[tuple[str, str]]:
        draw = self.made
        password = draw.password()
        yield "Use {v} for the bucket.", "AKIA" + draw.pick("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
        yield "git push with {v} fails.", "ghp_" + draw.pick(ALNUM, 36)
        yield "CI says that {v} has expired.", "glpat-" + draw.pick(ALNUM, 20)
        yield "STRIPE={v}", "sk_live_" + draw.pick(ALNUM, 24)
        yield "The maps key {v} is over its quota.", "AIza" + draw.pick(ALNUM, 35)
        yield "OPENAI: {v}", "sk-proj-" + draw.pick(ALNUM, 40)
        yield (
            "Slack bot {v} gets no events.",
            "xoxb-" + draw.pick(DIGITS, 12) + "-" + draw.pick(ALNUM, 24),
        )
        yield "npm publish with {v}", "npm_" + draw.pick(ALNUM, 36)
        yield "The model is gated, my token is {v}.", "hf_" + draw.pick(ALNUM, 34)
        yield "SendGrid: {v}", "SG." + draw.pick(ALNUM, 22) + "." + draw.pick(ALNUM, 43)
        yield "Decode this: {v}", draw.jwt()
        yield "Authorization: Bearer {v}", draw.pick(ALNUM, 40)
        yield "Authorization: Basic {v}", base64.b64encode(f"svc:{password}".encode()).decode()
        yield "The password is {v}, why am I locked out?", password
        yield "DB_PASSWORD={v}", draw.password()
        yield "Mein Passwort ist {v}", draw.password()
        yield "mot de passe : {v}", draw.password()
        yield "Mi contraseña es {v}", draw.password()
        yield "connect to postgres://app:{v}@db.internal:5432/main", draw.pick(ALNUM, 14)
        yield "curl -u deploy:{v} https://build.internal/run", draw.password()

    def names(self) -> Iterator[Row]:
        names, draw = self.say["names"], self.made.draw
        for said in names["person"] * 6:
            value = f"{draw.choice(names['given'])} {draw.choice(names['family'])}"
            yield self.sensitive("person", said, value)
        for said, value in zip(
            cycle((*names["address"], "{v}")), names["places"] * 4, strict=False
        ):
            yield self.sensitive("address", said, value)

    def clean(self) -> Iterator[Row]:
        clean, forms = self.say["clean"], cycle((plain, chat, payload, system))
        texts = [ask.replace("{v}", topic) for topic in clean["topics"] for ask in clean["asks"]]
        texts += clean["plain"] * 2
        texts += [self._hard(said) for said in clean["hard"] * 7]
        for text in texts:
            yield {**next(forms)(text), "sensitive": False}

    def _hard(self, said: str) -> str:
        while "{" in said:
            name = said.partition("{")[2].partition("}")[0]
            said = said.replace("{" + name + "}", self._look_alike(name), 1)
        return said

    def _look_alike(self, name: str) -> str:
        draw, pick = self.made.draw, self.made.pick
        sizes = {"md5": 16, "sha1": 20, "sha256": 32}
        if name in sizes:
            return draw.randbytes(sizes[name]).hex()
        makes = {
            "uuid": self.made.uuid,
            "epoch": lambda: str(draw.randint(1_500_000_000, 1_800_000_000)),
            "millis": lambda: str(draw.randint(1_500_000_000_000, 1_800_000_000_000)),
            "version": lambda: ".".join(str(draw.randint(0, 20)) for _ in range(3)),
            "isbn": lambda: (
                f"978-{draw.randint(0, 9)}-{pick(DIGITS, 4)}-{pick(DIGITS, 4)}-{pick(DIGITS, 1)}"
            ),
            "price": lambda: f"{draw.randint(1, 9999)}.{pick(DIGITS, 2)}",
            "part": lambda: f"{pick(UPPER, 2)}-{pick(DIGITS, 5)}-{pick(UPPER, 1)}{pick(DIGITS, 2)}",
            "order": lambda: pick("123456789", 1) + pick(DIGITS, 9),
            "count": lambda: str(draw.randint(100, 99_999)),
            "small": lambda: str(draw.randint(1, 99)),
            "float": lambda: repr(draw.random() * 100),
            "ints": lambda: ", ".join(str(draw.randint(1, 99)) for _ in range(8)),
            "lat": lambda: f"{draw.uniform(-90, 90):.4f}",
            "lon": lambda: f"{draw.uniform(-180, 180):.4f}",
            "time": lambda: f"{draw.randint(0, 23):02}:{draw.randint(0, 59):02}",
            "date": lambda: f"2026-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
            "colour": lambda: "#" + draw.randbytes(3).hex(),
            "year": lambda: str(draw.randint(1900, 2026)),
            "million": lambda: f"{draw.randint(1, 90)},{pick(DIGITS, 3)},{pick(DIGITS, 3)}",
            "ticket": lambda: f"OPS-{draw.randint(100, 9999)}",
            "serial": lambda: f"SN{pick(DIGITS, 10)}",
        }
        return makes[name]()


def plain(text: str) -> Fields:
    return {"text": text}


def chat(text: str) -> Fields:
    """What was said some turns ago leaves with every turn."""
    said = (("user", text), ("assistant", "Understood."), ("user", "Go on, please."))
    return {"messages": [{"role": role, "content": content} for role, content in said]}


_ASKS = cycle(
    (
        *("Summarise this record:", "What does this JSON say?", "Turn it into a sentence:"),
        *("Is this valid?", "Here is the record.", "Translate the note into German:"),
        *("Find the mistake.", ""),
    )
)


def payload(text: str) -> Fields:
    held = json.dumps({"id": 17, "note": text, "open": True}, ensure_ascii=False)
    return {"text": f"{next(_ASKS)}\n{held}"}


def table(text: str) -> Fields:
    note = text.replace("\n", " ")
    return {"text": f"| no | note |\n|---|---|\n| 1 | nothing to add |\n| 2 | {note} |"}


def code(text: str) -> Fields:
    lines = "\n".join(f"# {line}" for line in text.split("\n"))
    return {
        "text": f"Review this:\n```python\n{lines}\ndef run(items):\n    return sorted(items)\n```"
    }


def system(text: str) -> Fields:
    messages = [{"role": "system", "content": f"You help with letters. {text}"}]
    return {"messages": [*messages, {"role": "user", "content": "Begin."}]}


def tool_result(text: str) -> Fields:
    call = {"id": "call_1", "type": "function", "function": {"name": "notes", "arguments": "{}"}}
    return {
        "messages": [
            {"role": "user", "content": "What do the notes say?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": text},
        ]
    }


def tool_call(text: str) -> Fields:
    arguments = json.dumps({"note": text})
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "save", "arguments": arguments},
    }
    return {
        "document": {
            "messages": [
                {"role": "user", "content": "Keep it."},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "call_1", "content": "kept"},
            ]
        }
    }


def cut(row: Row, value: str) -> Row:
    """The row with the value cut after a few characters and in the middle, wherever it stands."""
    places = (max(3, value.find("PRIVATE") + 4), len(value) // 2)
    pieces = CUT.join((value[: places[0]], value[places[0] : places[1]], value[places[1] :]))
    written = [
        (value, pieces),
        (json.dumps(value)[1:-1], json.dumps(pieces, ensure_ascii=False)[1:-1]),
    ]
    short = row["values"][0]
    if short != value:
        written.append((short, short[:20] + CUT + short[20:]))

    def changed(inner: Any) -> Any:
        if isinstance(inner, str):
            for there, here in written:
                inner = inner.replace(there, here)
            return inner
        if isinstance(inner, dict):
            return {key: changed(one) for key, one in inner.items()}
        return [changed(one) for one in inner] if isinstance(inner, list) else inner

    made: Row = changed(row)
    return made


def main() -> None:
    rows = list(Corpus().rows())
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    TARGET.write_text("\n".join(lines) + "\n", "utf-8")
    sensitive = sum(row["sensitive"] for row in rows)
    print(f"{TARGET}: {sensitive} sensitive rows, {len(rows) - sensitive} clean ones")


if __name__ == "__main__":
    main()
