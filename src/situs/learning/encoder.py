"""Tunes the encoder of the deep tier on intents, and turns it into a graph that can be served.

Needs torch, safetensors, onnx, onnxruntime and tokenizers. Weights have the names that they have in
a BERT checkpoint. `learning.encoder_make` is the command.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from situs.errors import OperatorError
from situs.learning.encoder_sources import Utterance
from situs.learning.tasks import typos

LAYERS, HEADS, WIDTH = 6, 12, 384
OPSET = 17
ALIKE = 0.55
"""Intents of two groups whose centres are nearer than this may be the same: no negatives."""

Weights = Mapping[str, Any]
Tokens = Callable[[Sequence[str]], list[list[int]]]


class Plan(Struct, frozen=True):
    """How to tune: batches of about `texts` with an intent and `general` without one.

    The first `frozen` layers stay as they are. `keep` weighs the original geometry: similarities
    between all texts of a batch, and the places of the general ones. Rates would be zero at `end`
    steps. What comes out is `share` of the mean of the weights after each of `marks` steps, the
    rest of the weights before: that is better on intents never seen than any of them alone.
    """

    marks: tuple[int, ...] = (400, 800)
    end: int = 1400
    share: float = 0.8
    rate: float = 6e-5
    frozen: int = 3
    keep: float = 2.0
    temperature: float = 0.07
    dropout: float = 0.1
    typos: float = 0.13
    texts: int = 72
    general: int = 16
    seed: int = 0


class Intents(Struct, frozen=True):
    """Rows by intent, intents by group, and how near the centres of intents are to each other."""

    rows: tuple[tuple[int, ...], ...]
    labels: tuple[frozenset[str], ...]
    groups: tuple[tuple[int, ...], ...]
    of: NDArray[np.intp]
    shares: NDArray[np.float64]
    near: NDArray[np.float32]


def arranged(rows: Sequence[Utterance], vectors: NDArray[np.float32]) -> Intents:
    """The rows with an intent, for drawing batches; groups with one intent teach nothing."""
    by: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, row in enumerate(rows):
        if row.intent:
            by[row.group][row.intent].append(place)
    kept = {group: dict(many) for group, many in sorted(by.items()) if len(many) > 1}
    names = [(group, intent) for group, many in kept.items() for intent in many]
    number = {name: place for place, name in enumerate(names)}
    centres = np.array([vectors[kept[group][intent]].mean(0) for group, intent in names])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    groups = list(kept)
    shares = np.array([min(len(kept[group]), 120) ** 0.5 for group in groups])
    return Intents(
        tuple(tuple(kept[group][intent]) for group, intent in names),
        tuple(frozenset(intent.split("+")) if "+" in intent else frozenset((intent,))
              for _, intent in names),
        tuple(tuple(number[group, intent] for intent in kept[group]) for group in groups),
        np.array([groups.index(group) for group, _ in names]),
        shares / shares.sum(),
        (centres @ centres.T).astype(np.float32),
    )  # fmt: skip


def drawn(
    intents: Intents, texts: int, draw: np.random.Generator
) -> tuple[list[int], NDArray[np.intp]]:
    """Places of rows and their intents: groups by share, in each an intent and its neighbours.

    Of each group at most twelve intents with three rows each: half are those nearest to the first,
    which are the hard ones to tell from it.
    """
    places: list[int] = []
    labels: list[int] = []
    while len(places) < texts:
        group = intents.groups[draw.choice(len(intents.groups), p=intents.shares)]
        first = group[draw.integers(len(group))]
        sorted_ = sorted(group, key=lambda one: -intents.near[first, one])
        hard, rest = sorted_[:7], sorted_[7:]
        for one in [*hard, *draw.permutation(rest)[:5].astype(int)]:
            rows = intents.rows[one]
            some = draw.choice(len(rows), min(3, len(rows)), replace=False)
            places += [rows[place] for place in some]
            labels += [int(one)] * len(some)
    return places, np.array(labels)


def negatives(intents: Intents, labels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which pairs of a batch are surely of two intents: of a group, or of far groups."""
    group = intents.of[labels]
    sure: NDArray[np.bool_] = (group[:, None] == group) | (
        intents.near[np.ix_(labels, labels)] < ALIKE
    )
    sure &= labels[:, None] != labels
    for row, column in np.argwhere(sure):
        if intents.labels[labels[row]] & intents.labels[labels[column]]:
            sure[row, column] = False
    return sure


def tune(
    start: Weights,
    rows: Sequence[Utterance],
    tokens: Tokens,
    plan: Plan,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Weights after supervised contrastive training on rows with an intent.

    A text is drawn to the others of its intent and away from those that are surely of another one;
    the rows without an intent, and all similarities, stay about where `start` has them.
    """
    torch = needed("torch")
    torch.manual_seed(plan.seed)
    draw = np.random.default_rng(plan.seed)
    plain = tokens([row.text for row in rows])
    wrong = tokens([typos(row.text, draw) for row in rows])
    was = vectors(start, plain)
    intents = arranged(rows, was)
    general = [place for place, row in enumerate(rows) if not row.intent]
    weights = {name: torch.as_tensor(value).clone() for name, value in start.items()}
    moving = [
        weights[name].requires_grad_()
        for name in weights
        for layer in range(plan.frozen, LAYERS)
        if name.startswith(f"encoder.layer.{layer}.")
    ]
    adam = torch.optim.AdamW(moving, lr=plan.rate, weight_decay=0.01)
    mean = {name: (1 - plan.share) * value.clone() for name, value in start.items()}
    for step in range(max(plan.marks)):
        for group in adam.param_groups:
            left = (plan.end - step) / (0.9 * plan.end)
            group["lr"] = plan.rate * min(1.0, 10 * (step + 1) / plan.end, left)
        places, labels = drawn(intents, plan.texts, draw)
        places += [general[one] for one in draw.integers(len(general), size=plan.general)]
        ids = [(wrong if draw.random() < plan.typos else plain)[place] for place in places]
        with torch.autocast("cpu", torch.bfloat16):
            found = embed(torch, weights, *padded(torch, ids), plan.dropout).float()
        before = torch.from_numpy(was[places])
        loss = _contrast(torch, found[: len(labels)], intents, labels, plan.temperature)
        loss = loss + plan.keep * _moved(torch, found, before, len(labels))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        adam.step()
        if step + 1 in plan.marks:
            for name, value in weights.items():
                mean[name] += plan.share / len(plan.marks) * value.detach()
            say(f"step {step + 1}: loss {float(loss.detach()):.3f}")
    return mean


def _contrast(torch: Any, found: Any, intents: Intents, labels: Any, temperature: float) -> Any:
    """How much better the others of its intent should fit a text than all sure negatives."""
    near = found @ found.T / temperature
    away = torch.from_numpy(negatives(intents, labels))
    same = torch.from_numpy(labels[:, None] == labels) & ~torch.eye(len(labels), dtype=torch.bool)
    noise = torch.logsumexp(near.masked_fill(~away, -1e4), 1)[:, None]
    fits = ((near - torch.logaddexp(near, noise)) * same).sum(1)
    some = same.sum(1)
    return -(fits[some > 0] / some[some > 0]).mean()


def _moved(torch: Any, found: Any, before: Any, labelled: int) -> Any:
    others = ~torch.eye(len(found), dtype=torch.bool)
    turned = ((found @ found.T - before @ before.T)[others] ** 2).mean()
    return 10 * turned + (1 - (found[labelled:] * before[labelled:]).sum(1)).mean()


def vectors(weights: Weights, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Unit vectors of many texts, without gradients."""
    torch = needed("torch")
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    found: NDArray[np.float32] = np.zeros((len(ids), 0), np.float32)
    with torch.no_grad():
        for start in range(0, len(order), 128):
            some = order[start : start + 128]
            made = embed(torch, weights, *padded(torch, [ids[place] for place in some])).numpy()
            if not found.size:
                found = np.zeros((len(ids), made.shape[1]), np.float32)
            found[some] = made
    return found


def padded(torch: Any, many: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    """Ids and mask of a batch."""
    ids = torch.zeros(len(many), max(map(len, many)), dtype=torch.int64)
    for row, one in enumerate(many):
        ids[row, : len(one)] = torch.as_tensor(one)
    lengths = torch.tensor([len(one) for one in many])
    return ids, (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()


def embed(torch: Any, weights: Weights, ids: Any, mask: Any, dropout: float = 0.0) -> Any:
    """Unit vectors: the mean of the last layer over the tokens, padding left out."""
    states = weights["embeddings.word_embeddings.weight"][ids]
    states = states + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
    states = states + weights["embeddings.token_type_embeddings.weight"][0]
    states = _norm(torch, weights, "embeddings.LayerNorm", states)
    bias = ((1 - mask.float()) * -1e4)[:, None, None, :]
    for layer in range(LAYERS):
        states = _layer(torch, weights, f"encoder.layer.{layer}.", (states, bias), dropout)
    seen = mask.float()[..., None]
    mean = (states * seen).sum(1) / seen.sum(1).clamp(min=1)
    return mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-9)


def _norm(torch: Any, weights: Weights, name: str, states: Any) -> Any:
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return torch.nn.functional.layer_norm(states, (WIDTH,), scale, shift, 1e-12)


def _layer(torch: Any, weights: Weights, name: str, given: tuple[Any, Any], dropout: float) -> Any:
    function = torch.nn.functional
    states, bias = given

    def linear(part: str, value: Any) -> Any:
        return function.linear(
            value, weights[f"{name}{part}.weight"], weights[f"{name}{part}.bias"]
        )

    def heads(part: str) -> Any:
        made = linear(f"attention.self.{part}", states)
        return made.view(*made.shape[:2], HEADS, WIDTH // HEADS).transpose(1, 2)

    query, key, value = heads("query"), heads("key"), heads("value")
    scores = query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + bias
    mixed = (function.dropout(scores.softmax(-1), dropout) @ value).transpose(1, 2).flatten(2)
    mixed = function.dropout(linear("attention.output.dense", mixed), dropout)
    states = _norm(torch, weights, f"{name}attention.output.LayerNorm", mixed + states)
    wide = linear("output.dense", function.gelu(linear("intermediate.dense", states)))
    wide = function.dropout(wide, dropout)
    return _norm(torch, weights, f"{name}output.LayerNorm", wide + states)


def graph(weights: Weights) -> bytes:
    """The encoder as ONNX with integer arithmetic: `input_ids`, `attention_mask` to `embedding`.

    Weights are int8, one scale a column; activations get theirs in each run.
    """
    torch, quantization = needed("torch"), needed("onnxruntime.quantization")

    class Graph(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            for name, value in weights.items():
                self.register_buffer(name.replace(".", "_"), value)

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            kept = {name: getattr(self, name.replace(".", "_")) for name in weights}
            return embed(torch, kept, input_ids, attention_mask)

    free = {0: "texts", 1: "tokens"}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "small.onnx"
        torch.onnx.export(
            Graph().eval(),
            padded(torch, [[101, 102, 102], [101, 102]]),
            str(plain),
            dynamo=False,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": free, "attention_mask": free, "embedding": {0: "texts"}},
            opset_version=OPSET,
        )
        quantization.quantize_dynamic(
            plain, small, weight_type=quantization.QuantType.QInt8, per_channel=True
        )
        return small.read_bytes()


def read_weights(file: Path) -> dict[str, Any]:
    """A checkpoint in the safetensors format, as float32."""
    kept = needed("safetensors.torch").load_file(file)
    return {name: value.float() for name, value in kept.items() if value.is_floating_point()}


def needed(package: str) -> Any:
    """Imports what only training needs. Raises OperatorError where it is not installed."""
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as problem:
        raise OperatorError(
            f"tuning the encoder needs the package {problem.name}",
            do="Install torch, safetensors, onnx, onnxruntime and tokenizers in an environment "
            "for training; serving needs no torch.",
        ) from problem
