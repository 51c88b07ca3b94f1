"""Makes `src/situs/config/prices.json` from an installed genai-prices.

    pip install genai-prices && python -m bench.catalogue VERSION-OF-IT [DAY]

The package itself is no dependency: see docs/decisions/0014-prices.md. `DAY` (default: today, UTC)
is the last on which a price may begin. Of a model's prices that one is taken which has begun last;
where the hour decides, the dearest; rates for batches and service tiers are left out.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "src/situs/config/prices.json"
KINDS = {
    "input_mtok": "prompt",
    "output_mtok": "completion",
    "cache_read_mtok": "cached_prompt",
    "cache_write_mtok": "cache_write",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_prompt",
    "output_audio_mtok": "audio_completion",
}
TIERED = ("prompt", "completion", "cached_prompt", "cache_write")


def main(version: str, day: datetime.date) -> None:
    if importlib.metadata.version("genai-prices") != version:
        raise SystemExit(f"genai-prices {version} is not what is installed")
    data = importlib.import_module("genai_prices.data")
    said = re.findall(r"\b20\d\d-\d\d-\d\d\b", Path(data.__file__ or "").read_text("utf-8"))
    files = importlib.metadata.files("genai-prices") or ()
    licence = next(file for file in files if file.name == "LICENSE").read_text()
    head = {
        "source": f"genai-prices {version}, https://github.com/pydantic/genai-prices",
        "dated": max(one for one in said if one <= day.isoformat()),
        "licence": licence,
    }
    rows = [json.dumps(head, ensure_ascii=False)[:-1] + ', "providers": {']
    providers = [(one, dict(entries(one, day))) for one in data.providers]
    kept = [(one, found) for one, found in providers if found]
    for number, (provider, found) in enumerate(kept):
        opened = {"at": provider.api_pattern}
        rows.append(f"{json.dumps(provider.id)}: {json.dumps(opened)[:-1]}" + ', "models": {')
        lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in found.items()]
        rows.append(",\n".join(lines))
        rows.append("}}" if number == len(kept) - 1 else "}},")
    TARGET.write_text("\n".join([*rows, "}}"]) + "\n", "utf-8")


def entries(provider: Any, day: datetime.date) -> Iterator[tuple[str, dict[str, Any]]]:
    for model in sorted(provider.models, key=lambda one: str(one.id)):
        prices = price_of(model.prices, day)
        if prices is not None:
            names = sorted(set(equals(model.match)) - {model.id})
            yield model.id, {**({"names": names} if names else {}), "price": prices}


def equals(match: Any) -> Iterator[str]:
    """The names that a model has exactly; patterns would be guesses."""
    if type(match).__name__ == "ClauseEquals":
        yield match.equals
    elif type(match).__name__ == "ClauseOr":
        for one in match.or_:
            yield from equals(one)


def price_of(prices: Any, day: datetime.date) -> dict[str, Any] | None:
    """None where tokens are not what is paid for."""
    if isinstance(prices, list):
        begun = [one for one in prices if start(one) is not None and start(one) <= day]
        if not begun:
            return None
        latest = max(start(one) for one in begun)
        prices = max((one.prices for one in begun if start(one) == latest), key=base)
    said = {ours: getattr(prices, theirs) for theirs, ours in KINDS.items()}
    if said["prompt"] is None:
        return None
    if said["completion"] is None:
        said["completion"] = 0
    flat = {kind: number(price) for kind, price in said.items() if price is not None}
    if prices.requests_kcount is not None:
        flat["request"] = number(prices.requests_kcount) / 1000
    steps = {tier.start for kind in TIERED for tier in getattr(said[kind], "tiers", ())}
    tiers = [
        {
            "above": step,
            **{kind: number(said[kind], step) for kind in TIERED if said[kind] is not None},
        }
        for step in sorted(steps)
    ]
    return {**flat, **({"tiers": tiers} if tiers else {})}


def start(one: Any) -> Any:
    """When it begins; the hours of a day begin with the day that no other says."""
    kind = type(one.constraint).__name__
    return one.constraint.start_date if kind == "StartDateConstraint" else datetime.date.min


def base(prices: Any) -> float:
    return 0.0 if prices.output_mtok is None else number(prices.output_mtok)


def number(price: Any, step: int = -1) -> float:
    """A price, or what a table of prices says for prompts longer than `step`."""
    if hasattr(price, "base"):
        steps = [tier.price for tier in price.tiers if tier.start <= step]
        price = steps[-1] if steps else price.base
    return float(price)


if __name__ == "__main__":
    today = datetime.datetime.now(datetime.UTC).date()
    main(sys.argv[1], datetime.date.fromisoformat(sys.argv[2]) if sys.argv[2:] else today)
