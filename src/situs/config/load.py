"""A configuration file to the tree, with every problem at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, inspect

from situs.analysis.labels import DEFAULT_FLOORS
from situs.config import rules
from situs.config.countries import UNKNOWN
from situs.config.document import MAX_BYTES, Unreadable, compose
from situs.config.prices import Price
from situs.config.problems import Problem, Report, as_error
from situs.config.shape import MISSING, read
from situs.config.tree import (
    Config,
    Deployment,
    LlamaCpp,
    Locus,
    Model,
    Onnx,
    Speed,
)
from situs.core.capability import CapabilityClass
from situs.core.fleet import KeyCustody, LocusKind, TrainingUse
from situs.core.request import Service
from situs.errors import ConfigError


class Reading(Struct, frozen=True):
    """What a text says. `config` is None exactly when there are problems."""

    config: Config | None
    problems: tuple[Problem, ...]


def load(path: Path) -> Config:
    """Raises ConfigError with a line for every problem."""
    return _sound(examine(read_text(path), Report(str(path))))


def parse(text: str, name: str = "configuration") -> Config:
    """As `load`, from text; `name` stands for the file in messages."""
    return _sound(examine(text, Report(name)))


def examine(text: str, report: Report) -> Reading:
    """Reads `text`, adding to `report`; raises nothing for what is wrong in it."""
    try:
        root = compose(text, report)
    except Unreadable:
        return Reading(None, report.problems)
    plain = read(root, inspect.type_info(Config), (), report)
    if plain is MISSING:
        return Reading(None, report.problems)
    config = msgspec.convert(plain, Config)
    rules.check(config, DEFAULT_FLOORS, report)
    return Reading(None if report.problems else config, report.problems)


def _sound(reading: Reading) -> Config:
    if reading.config is None:
        raise as_error(reading.problems)
    return reading.config


def read_text(path: Path) -> str:
    """The file's text. Raises ConfigError when there is none to read."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        do = "Write one (`situs config example` prints a start), or name another file."
        raise ConfigError(f"{path}: no such file", do=do) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8") from None


def default_config(home: str | None = None) -> Config:
    """What `situs up` runs without a file: this machine, a small chat model and one that embeds.

    The price is the amortised cost of a small office machine and the speed what one of its cores
    does, both rough; a configuration file states better ones.
    """
    smollm2 = Model(
        file="SmolLM2-135M-Instruct.Q4_1",
        capability=CapabilityClass.TINY,
        context_tokens=4096,
        structured_output=True,
        licence="Apache-2.0",
        origin="Hugging Face",
    )
    served = Deployment(
        model="smollm2",
        locus="workstation",
        runtime=LlamaCpp(),
        price=Price(currency="USD", prompt=0.02, completion=0.05),
        speed=Speed(ttft_s=0.2, prompt_tokens_per_s=120.0, completion_tokens_per_s=50.0),
    )
    minilm, embedding = _minilm()
    config = Config(
        version=1,
        home=home,
        loci={"workstation": own_locus(LocusKind.DEVICE, home)},
        models={"smollm2": smollm2, "minilm": minilm},
        deployments={"local-smollm2": served, "local-minilm": embedding},
    )
    # The same rules as for a file, so that a wrong --home is an error here too.
    return parse(msgspec.json.encode(config).decode(), "the built-in configuration")


def own_locus(kind: LocusKind, home: str | None) -> Locus:
    """A machine of one's own: nobody else keeps anything there, or trains on it."""
    return Locus(
        kind=kind,
        jurisdiction=home or UNKNOWN,
        owned=True,
        operator="us",
        key_custody=KeyCustody.CUSTOMER,
        retention="none",
        training_use=TrainingUse.NONE,
    )


def _minilm() -> tuple[Model, Deployment]:
    model = Model(
        file="all-MiniLM-L6-v2.int8",
        tokenizer="all-MiniLM-L6-v2.tokenizer",
        dimensions=384,
        capability=CapabilityClass.TINY,
        context_tokens=256,
        serves=(Service.EMBEDDINGS,),
        licence="Apache-2.0",
        origin="sentence-transformers",
    )
    deployment = Deployment(
        model="minilm",
        locus="workstation",
        runtime=Onnx(),
        price=Price(currency="USD", prompt=0.001, completion=0),
        speed=Speed(ttft_s=0.01, prompt_tokens_per_s=5000.0),
    )
    return model, deployment
