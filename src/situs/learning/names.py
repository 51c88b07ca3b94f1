"""Trains the names tagger: a table of hashed rows, three layers of windows, one tag a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from situs.analysis.sensitivity.names_tokens import LANES, ROWS
from situs.errors import OperatorError
from situs.learning.names_corpus import Rows
from situs.learning.names_templates import KINDS

WIDTH, HIDDEN = 48, 64
REACHES = (1, 2, 4)
"""How far apart the three tokens are that a layer sees; together seven to either side."""
TAGS = 1 + 2 * len(KINDS)


class Plan(Struct, frozen=True):
    """How long to train: `steps` batches of `batch` stretches of `length` tokens."""

    steps: int
    rate: float
    batch: int = 16
    length: int = 512
    seed: int = 1
    forget: tuple[float, float] = (0.1, 0.5)
    """How often the word itself is hidden, so that context, shape and lists count: as found in
    text, and of invented values."""


def fit(
    parts: Sequence[tuple[Rows, float]],
    plan: Plan,
    start: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """The weights (float32) after training on parts, each drawn as often as its weight says."""
    torch = _torch()
    torch.manual_seed(plan.seed)
    draw = np.random.default_rng(plan.seed)
    weights = {
        name: torch.tensor(value, requires_grad=True)
        for name, value in (start or _initial(draw)).items()
    }
    adam = torch.optim.Adam(list(weights.values()), lr=plan.rate)
    shares = np.array([weight for _, weight in parts])
    shares /= shares.sum()
    total = 0.0
    for step in range(plan.steps):
        for group in adam.param_groups:
            group["lr"] = plan.rate * min(1.0, 1.15 * (1 - step / plan.steps), (step + 1) / 30)
        rows, tags = _drawn(parts, shares, plan, draw)
        scores = _forward(torch, weights, torch.from_numpy(rows), draw)
        loss = torch.nn.functional.cross_entropy(
            scores.reshape(-1, TAGS), torch.from_numpy(tags).reshape(-1), ignore_index=-1
        )
        adam.zero_grad()
        loss.backward()
        weights["table"].grad[0] = 0
        adam.step()
        total += float(loss.detach())
        if step % 100 == 99:
            say(f"{step + 1} of {plan.steps} steps, loss {total / 100:.4f}")
            total = 0.0
    return {name: value.detach().numpy() for name, value in weights.items()}


def packed(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The weights as they are shipped: the table in steps of one byte, with a scale for each row
    block, the rest in half precision."""
    table = np.asarray(weights["table"])
    scale = np.float32(np.quantile(np.abs(table), 0.9999) / 127)
    found = {"table": np.clip(np.round(table / scale), -127, 127).astype(np.int8), "scale": scale}
    return found | {
        name: np.asarray(value, np.float16) for name, value in weights.items() if name != "table"
    }


def _initial(draw: Any) -> dict[str, Any]:
    table = draw.normal(0, 0.1, (ROWS, WIDTH)).astype(np.float32)
    table[0] = 0
    found = {"table": table}
    size = WIDTH
    for layer in range(len(REACHES)):
        scale = np.sqrt(2 / (3 * size))
        found[f"w{layer}"] = draw.normal(0, scale, (3 * size, HIDDEN)).astype(np.float32)
        found[f"b{layer}"] = np.zeros(HIDDEN, np.float32)
        size = HIDDEN
    found["w"] = draw.normal(0, 0.05, (HIDDEN, TAGS)).astype(np.float32)
    found["b"] = np.zeros(TAGS, np.float32)
    return found


def _forward(torch: Any, weights: Mapping[str, Any], rows: Any, draw: Any) -> Any:
    hidden = torch.nn.functional.embedding(rows, weights["table"]).sum(2)
    for layer, reach in enumerate(REACHES):
        pad = hidden.new_zeros(hidden.shape[0], reach, hidden.shape[2])
        wide = torch.cat((pad, hidden, pad), 1)
        size = hidden.shape[1]
        window = torch.cat([wide[:, place * reach : place * reach + size] for place in range(3)], 2)
        new = torch.relu(window @ weights[f"w{layer}"] + weights[f"b{layer}"])
        hidden = new if layer == 0 else hidden + new
        hidden = torch.nn.functional.dropout(hidden, 0.1)
    return hidden @ weights["w"] + weights["b"]


def _drawn(
    parts: Sequence[tuple[Rows, float]], shares: Any, plan: Plan, draw: Any
) -> tuple[Any, Any]:
    """A batch: stretches from anywhere, some of their words hidden."""
    rows = np.zeros((plan.batch, plan.length, LANES), np.int64)
    tags = np.full((plan.batch, plan.length), -1, np.int64)
    for place, chosen in enumerate(draw.choice(len(parts), plan.batch, p=shares)):
        part = parts[chosen][0]
        first = int(draw.integers(0, max(1, len(part.tags) - plan.length)))
        stretch = slice(first, first + plan.length)
        size = len(part.tags[stretch])
        rows[place, :size] = part.rows[stretch]
        tags[place, :size] = part.tags[stretch]
        hide = np.where(part.invented[stretch], plan.forget[1], plan.forget[0])
        rows[place, :size, 0] *= draw.random(size) >= hide
        rows[place, :size, LANES - 1] *= draw.random(size) >= plan.forget[0]
    return rows, tags


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise OperatorError(
            "PyTorch is not installed; the names tagger is trained with it.",
            do="Install it where you train: pip install torch.",
        ) from error
    return torch
