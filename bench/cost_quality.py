"""What choosing by expected quality and cost saves: `python -m bench.cost_quality DATA [--keep]`.

DATA is a folder with `mmlu_pro_routing` (which of thirteen models answered which question right).
In five folds, chosen by hash of the question, everything is learned from the other four fifths: the
capability head, the subject of a question (what a route would tell), what is believed of the models
on each subject, how long their answers are. The pick is the gateway's own (`cost_quality_gateway`);
each question then costs the tokens that its model really took, at list prices. All other ways to
choose pick by the same formula, on other figures.

Prints, for each way of choosing, the least cost at 95 % of the best single model's quality, with a
bootstrap interval over questions, and the mean over the curve. `--keep` keeps the rows and draws
the curves into docs/. Takes some minutes. Development figures: HEAD_WEIGHT was chosen on these
folds (`head weight chosen within` shows how much that matters: folds within the rest choose it).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from bench.cost_quality_chart import chart
from bench.cost_quality_gateway import LONG, Asked, Gateway
from bench.cost_quality_prices import PRICES
from bench.processes import ROOT, append, machine
from situs.analysis.capability import Capability, capability_head, subjects_of
from situs.analysis.features import see
from situs.core.capability import CapabilityClass
from situs.core.fleet import Model
from situs.core.heads import Seen
from situs.core.length import Answered
from situs.core.rating import Rating, kind_of
from situs.core.snapshot import Beliefs
from situs.learning.artefacts import load, shipped
from situs.learning.beliefs import believe
from situs.learning.capability import fit, learn_subjects
from situs.learning.capability_sources import CLASSES, many
from situs.learning.lengths import measure
from situs.placement.quality import HEAD_WEIGHT, on_the_whole
from situs.runtimes.encoder import load_encoder

Values = NDArray[np.float64]
Curve = list[tuple[float, float]]
"""Points of mean cost and mean quality."""

SHARE = 0.95
FOLDS, WITHIN = 5, 4
NEIGHBOURS = 40
LONGEST = 4000.0
"""Characters; lengths are learned as shares of it."""

SHARES = np.concatenate([1 - np.geomspace(30, 1, 120), np.linspace(0, 1, 201)])
"""Below 0 more is given up than there is to a usual request: the left end of the curve."""

WEIGHTS = (50.0, 100.0, HEAD_WEIGHT, 400.0)
DRAWS = 1000
PICTURE = ROOT / "docs" / "explanation" / "cost-quality.svg"


class Learned(Struct, frozen=True):
    """What was learned from some questions. `best` is the place of the model best on the whole."""

    head: Capability
    lengths: Capability
    subject: Callable[[Seen], str]
    beliefs: Beliefs
    gateway: Gateway
    best: int


class Guessed(Struct, frozen=True):
    """Of questions and models: by the head, by beliefs with their weights; tokens of answers, as
    the gateway expects them and by a head. And of questions, by prices: what a usual one costs.
    """

    head: Values
    belief: Values
    weight: Values
    tokens: Values
    headed: Values
    usual: Values

    def quality(self, head_weight: float) -> Values:
        mixed = self.belief * self.weight + self.head * head_weight
        return mixed / (self.weight + head_weight)


class Questions:
    """The data, as arrays of questions and models."""

    def __init__(self, file: Path) -> None:
        self.rows = many(file)
        self.prompts = [row["prompt"] for row in self.rows]
        self.models = list(self.rows[0]["correct"])
        self.seen = [see(prompt) for prompt in self.prompts]
        self.right = np.array([[r["correct"][m] for m in self.models] for r in self.rows], float)
        said = np.array([[r["out_chars"][m] for m in self.models] for r in self.rows], float)
        self.prompt_tokens = np.ceil(np.array([len(one) for one in self.prompts]) / 4)[:, None]
        self.answer_tokens = np.ceil(said / 4)
        digests = [hashlib.sha256(prompt.encode()).digest() for prompt in self.prompts]
        self.fold = np.array([one[0] % FOLDS for one in digests])
        self.within = np.array([one[1] % WITHIN for one in digests])

    def results(self, at: Sequence[int], value: Callable[[Any, str], float]) -> list[Any]:
        return [
            {"prompt": self.prompts[k], "model": model, "correct": value(self.rows[k], model)}
            for k in at
            for model in self.models
        ]


def learn(data: Questions, at: Sequence[int]) -> Learned:
    """From these questions alone; the head's subjects are those of the package."""
    told = load(shipped("capability")).arrays
    right = fit(data.results(at, lambda row, model: row["correct"][model]), told)
    long = data.results(at, lambda row, model: min(1.0, row["out_chars"][model] / LONGEST))
    labels = [data.rows[k]["category"] for k in at]
    names = sorted(set(labels))
    teller = subjects_of(learn_subjects([data.prompts[k] for k in at], labels))
    assert teller is not None

    def subject(seen: Seen) -> str:
        shares = teller.shares(*np.unique([*seen.words, *seen.pairs], return_counts=True))
        return str(names[int(shares.argmax())])

    classes = {model: CapabilityClass(CLASSES.get(model, "medium")) for model in data.models}
    kinds = [kind_of(label, "reasoning") for label in labels]
    ratings = [
        Rating(model, kind, CapabilityClass.MEDIUM, data.rows[k]["correct"][model], 0.0)
        for k, kind in zip(at, kinds, strict=True)
        for model in data.models
    ]
    answers = [
        Answered(model, kind, int(data.answer_tokens[k, place]))
        for k, kind in zip(at, kinds, strict=True)
        for place, model in enumerate(data.models)
    ]
    picked = np.array(at)
    usual = float(data.prompt_tokens[picked].mean()), float(data.answer_tokens[picked].mean())
    beliefs = believe(ratings, classes, 0.0, usual, measure(answers, classes))
    whole = [on_the_whole(Model(name, able, LONG), beliefs) for name, able in classes.items()]
    return Learned(
        capability_head(*right),
        capability_head(*fit(long, told)),
        subject,
        beliefs,
        Gateway(classes, beliefs, usual[1]),
        int(np.argmax(whole)),
    )


def guess(data: Questions, learned: Learned, at: Sequence[int]) -> Guessed:
    table, needs = learned.beliefs.table, CapabilityClass.MEDIUM.value
    questions = asked(data, learned, at)
    kinds = [kind_of(one.subject, "") for one in questions]
    believed = [[table[model, kind, needs] for model in data.models] for kind in kinds]
    prompt, answer = (round(one) for one in learned.beliefs.usual)
    paid = [prices[data.models[learned.best]] for prices in PRICES.values()]
    usual = [(prompt * read + answer * written) / 1e6 for read, written in paid]
    return Guessed(
        np.array([one.head for one in questions]),
        np.array([[one.mean for one in row] for row in believed]),
        np.array([[one.weight for one in row] for row in believed]),
        learned.gateway.tokens(questions),
        np.maximum(_said(data, learned.lengths, at) * LONGEST / 4, 1.0),
        np.tile(usual, (len(at), 1)),
    )


def asked(data: Questions, learned: Learned, at: Sequence[int]) -> list[Asked]:
    said = _said(data, learned.head, at).tolist()
    return [
        Asked(k, learned.subject(data.seen[k]), int(data.prompt_tokens[k, 0]), row)
        for k, row in zip(at, said, strict=True)
    ]


def _said(data: Questions, head: Capability, at: Sequence[int]) -> Values:
    answers = [head.answers(data.seen[k], data.models) for k in at]
    return np.array([[one.probability for one in row] for row in answers])


class Field(Struct, frozen=True):
    """Questions that were kept apart, with what was guessed of them and what was so."""

    right: Values
    real: Values
    expected: Values
    usual: Values

    def picks(self, quality: Values, share: float) -> NDArray[np.intp]:
        """The least of `quality.full_costs` of those adequate; near-equals are not told apart."""
        most = quality.max(1)
        worth = self.usual / (max(1 - share, 1e-12) * most) if share < 1 else 0 * most
        full = self.expected + worth[:, None] * (most[:, None] - quality)
        enough = quality >= max(0.0, share) * most[:, None] - 1e-9
        found: NDArray[np.intp] = np.where(enough, full, np.inf).argmin(1)
        return found

    def ways(self, quality: Values) -> list[NDArray[np.intp]]:
        return [self.picks(quality, share) for share in SHARES]

    def thresholds(self, need: Values, weak: int, strong: int) -> list[NDArray[np.intp]]:
        """Two models: the stronger one where the head says that it is needed more than so."""
        limits = np.quantile(need, np.linspace(0, 1, 1001))[::-1]
        ways = [np.where(need >= limit, strong, weak) for limit in limits]
        return [np.full(len(need), weak), *ways]

    def means(self, picks: NDArray[np.intp]) -> tuple[float, float]:
        rows = np.arange(len(picks))
        return float(self.real[rows, picks].mean()), float(self.right[rows, picks].mean())

    def curve(self, ways: Sequence[NDArray[np.intp]]) -> Curve:
        return sorted({self.means(one) for one in ways})

    def at_target(self, ways: Sequence[NDArray[np.intp]]) -> float:
        target = SHARE * self.right.mean(0).max()
        return min((c for c, q in map(self.means, ways) if q >= target), default=np.inf)

    def two_models(self, head: Values) -> tuple[str, list[NDArray[np.intp]]]:
        """The pair that costs least at the target: chosen in its favour, on these questions."""
        found = []
        for one, other in combinations(range(head.shape[1]), 2):
            weak, strong = sorted((one, other), key=lambda k: self.real[:, k].mean())
            ways = self.thresholds(head[:, strong] - head[:, weak], weak, strong)
            found.append((self.at_target(ways), (weak, strong), ways))
        _, (weak, strong), ways = min(found, key=lambda one: one[0])
        return f"{weak},{strong}", ways

    def singles(self) -> list[NDArray[np.intp]]:
        return [np.full(len(self.right), k) for k in range(self.right.shape[1])]

    def oracle(self) -> list[NDArray[np.intp]]:
        worth = np.geomspace(1, 1e6, 100)
        return [(self.right - one * self.real).argmax(1) for one in worth]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    ask.add_argument("data", type=Path, help="folder with mmlu_pro_routing")
    ask.add_argument("--keep", action="store_true", help="keep the rows, draw the curves")
    given = ask.parse_args()
    data = Questions(given.data / "mmlu_pro_routing" / "train.jsonl.gz")
    parts, weights, order = [], [], list[int]()
    placed = {name: np.empty((len(SHARES), len(data.rows)), np.intp) for name in PRICES}
    for fold in range(FOLDS):
        rest, held = (np.flatnonzero(one).tolist() for one in _apart(data.fold, fold))
        learned = learn(data, rest)
        parts.append(guess(data, learned, held))
        questions = asked(data, learned, held)
        for name, prices in PRICES.items():
            for row, share in zip(placed[name], SHARES.tolist(), strict=True):
                row[held] = learned.gateway.picks(questions, prices, share)
        weights.append((held, _chosen(data, rest)))
        order += held
    guessed = _joined(parts, order)
    neighbours = _neighbours(data)
    for name in PRICES:
        rows, curves = _measured(data, guessed, list(placed[name]), weights, neighbours, name)
        for one in rows:
            print(json.dumps(one), flush=True)
            if given.keep:
                append("cost_quality", {**one, **machine()})
        if given.keep and name == next(iter(PRICES)):
            PICTURE.write_text(chart(curves, SHARE), encoding="utf-8")


def _apart(fold: NDArray[np.intp], one: int) -> tuple[Any, Any]:
    return fold != one, fold == one


def _joined(parts: Sequence[Guessed], order: Sequence[int]) -> Guessed:
    places = np.argsort(order)
    names = Guessed.__struct_fields__
    return Guessed(*(np.concatenate([getattr(p, name) for p in parts])[places] for name in names))


def _chosen(data: Questions, rest: Sequence[int]) -> Mapping[str, float]:
    """By prices, the weight of the head that costs least at the target within the rest."""
    picked = np.array(rest)
    parts, order = [], list[int]()
    for fold in range(WITHIN):
        some, others = (picked[one].tolist() for one in _apart(data.within[picked], fold))
        parts.append(guess(data, learn(data, some), others))
        order += others
    guessed = _joined(parts, order)
    found = {}
    for name in PRICES:
        field = _field(data, guessed.tokens, guessed.usual, name, np.sort(order))
        costs = [field.at_target(field.ways(guessed.quality(one))) for one in WEIGHTS]
        found[name] = WEIGHTS[int(np.argmin(costs))]
    return found


def _field(data: Questions, tokens: Values, usual: Values, name: str, at: Any = None) -> Field:
    rows, prices = np.arange(len(data.rows)) if at is None else at, PRICES[name]
    prompt, answer = (np.array([prices[model][k] for model in data.models]) / 1e6 for k in range(2))
    asked = data.prompt_tokens[rows] * prompt
    return Field(
        data.right[rows],
        asked + data.answer_tokens[rows] * answer,
        asked + tokens * answer,
        usual[:, list(PRICES).index(name)],
    )


def _neighbours(data: Questions) -> Values:
    """The share that was right among the nearest questions of other folds, by the encoder."""
    vectors = load_encoder(load(shipped("encoder")).folder)(data.prompts)
    found = np.empty_like(data.right)
    for fold in range(FOLDS):
        rest, held = _apart(data.fold, fold)
        near = np.argsort(-(vectors[held] @ vectors[rest].T), axis=1)[:, :NEIGHBOURS]
        found[held] = data.right[rest][near].mean(1)
    return found


def _measured(
    data: Questions,
    guessed: Guessed,
    placed: list[NDArray[np.intp]],
    weights: Sequence[tuple[Sequence[int], Mapping[str, float]]],
    neighbours: Values,
    name: str,
) -> tuple[list[dict[str, Any]], dict[str, Curve]]:
    usual = guessed.usual
    field = _field(data, guessed.tokens, usual, name)
    by_head = _field(data, guessed.headed, usual, name)
    alike = np.repeat(guessed.headed.mean(1, keepdims=True), len(data.models), 1)
    same = _field(data, alike, usual, name)
    unworthy = replace(field, usual=np.zeros_like(field.usual))
    quality = guessed.quality(HEAD_WEIGHT)
    nested = np.empty_like(quality)
    for held, chosen in weights:
        nested[held] = guessed.quality(chosen[name])[held]
    pair, two = field.two_models(guessed.head)
    weak, strong = map(int, pair.split(","))
    best = int(data.right.mean(0).argmax())
    ways = {
        "cheapest_adequate": placed,
        "cheapest_adequate, head weight chosen within": field.ways(nested),
        "cheapest_adequate, lengths by a head for each model": by_head.ways(quality),
        "cheapest_adequate, answers expected equally long": same.ways(quality),
        "cheapest_adequate, missing quality worth nothing": unworthy.ways(quality),
        "cheapest_adequate, head alone": field.ways(guessed.head),
        "two models by the same head": two,
        "two models by head and beliefs": field.thresholds(
            quality[:, strong] - quality[:, weak], weak, strong
        ),
        "40 nearest neighbours": field.ways(neighbours),
        "oracle": field.oracle(),
    }
    curves = {way: field.curve(picks) for way, picks in ways.items()}
    curves["single models"] = field.curve(field.singles())
    ends = field.means(np.full(len(data.rows), weak)), field.means(np.full(len(data.rows), strong))
    target = SHARE * data.right.mean(0).max()
    mixed = (target - ends[0][1]) / (ends[1][1] - ends[0][1])
    curves["random"] = list(ends)
    top = float(data.right.mean(0).max())
    rows = [_row(field, way, picks, two) for way, picks in ways.items()]
    for row in rows:
        row["saved_curve"] = _saved(curves[row["way"]], curves["two models by the same head"], top)
        row["times"] = _dearest(curves["cheapest_adequate"], curves[row["way"]], top)
        row["dearer_at"] = _dearer(curves["cheapest_adequate"], curves[row["way"]], top)
    rows.append(
        {"way": "the pair at random", "cost": ends[0][0] + mixed * (ends[1][0] - ends[0][0])}
    )
    single = _dearest(curves["cheapest_adequate"], curves["single models"], top)
    cost = float(field.real[:, best].mean())
    rows.append({"way": "best single model", "cost": cost, "times": single})
    about = {
        "bench": "cost_quality",
        "prices": name,
        "questions": len(data.rows),
        "models": len(data.models),
        "pair": f"{data.models[weak]}, {data.models[strong]}",
        "best": data.models[best],
        "target": round(target, 4),
    }
    return [{**about, **_per_1000(row)} for row in rows], curves


def _row(
    field: Field, way: str, picks: Sequence[NDArray[np.intp]], two: Sequence[NDArray[np.intp]]
) -> dict[str, Any]:
    cost = field.at_target(picks)
    low, high = _interval(field, picks, two)
    saved = 1 - cost / field.at_target(two)
    return {"way": way, "cost": cost, "saved": saved, "saved_low": low, "saved_high": high}


def _dearest(curve: Curve, other: Curve, best: float) -> float:
    """The most that the curve costs for one of the other, at equal quality; below 1: always less.

    From 85 to 99 % of the best model's quality.
    """
    found = [
        _least(curve, share * best) / _least(other, share * best)
        for share in np.linspace(0.85, 0.99, 57)
    ]
    return max(found)


def _dearer(curve: Curve, other: Curve, best: float) -> list[float]:
    """The least and the greatest share of the best model's quality at which it costs more."""
    found = [
        round(float(share), 4)
        for share in np.linspace(0.85, 0.99, 57)
        if _least(curve, share * best) > 1.01 * _least(other, share * best)
    ]
    return [found[0], found[-1]] if found else []


def _saved(curve: Curve, other: Curve, best: float) -> float:
    """What the curve costs less than the other, the mean (of ratios) from 92 to 98 %."""
    ratios = [
        _least(curve, share * best) / _least(other, share * best)
        for share in np.linspace(0.92, 0.98, 25)
    ]
    return 1 - float(np.exp(np.mean(np.log(ratios))))


def _least(curve: Curve, quality: float) -> float:
    return min((cost for cost, reached in curve if reached >= quality), default=np.inf)


def _per_1000(row: Mapping[str, Any]) -> dict[str, Any]:
    digits = {
        name: round(one, 4) if isinstance(one, float) else one
        for name, one in row.items()
        if name not in ("way", "cost")
    }
    return {"way": row["way"], "usd_1000": round(row["cost"] * 1000, 4), **digits}


def _interval(
    field: Field, one: Sequence[NDArray[np.intp]], two: Sequence[NDArray[np.intp]]
) -> tuple[float, float]:
    """Of what `one` saves against `two`, each at the target on the same draws of questions."""
    draw = np.random.default_rng(7)
    count = len(field.right)
    counts = draw.multinomial(count, np.full(count, 1 / count), DRAWS) / count
    target = SHARE * (counts @ field.right).max(1)

    def cost(ways: Sequence[NDArray[np.intp]]) -> Values:
        rows = np.arange(count)
        costs = counts @ np.array([field.real[rows, picks] for picks in ways]).T
        right = counts @ np.array([field.right[rows, picks] for picks in ways]).T
        found: Values = np.where(right >= target[:, None], costs, np.inf).min(1)
        return found

    saved = 1 - cost(one) / cost(two)
    saved = saved[np.isfinite(saved)]
    low, high = np.quantile(saved, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
