"""Routes texts with the package `semantic-router`: run by `bench.routes`, in its own environment.

Reads a file of vectors, so that the encoder is the same and its time does not count; prints scores.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main(path: str) -> None:
    import numpy as np
    from semantic_router import Route
    from semantic_router.encoders import DenseEncoder
    from semantic_router.routers import IndexedRouter

    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    vectors = dict(zip(data["texts"].tolist(), data["vectors"].tolist(), strict=True))

    class Known(DenseEncoder):  # type: ignore[misc]
        def __call__(self, docs: list[Any]) -> list[list[float]]:
            return [vectors[doc] for doc in docs]

    samples: dict[str, list[str]] = {}
    for text, label in zip(data["train"].tolist(), data["labels"].tolist(), strict=True):
        samples.setdefault(label, []).append(text)
    routes = [Route(name=name, utterances=texts) for name, texts in samples.items()]
    for aggregation in ("mean", "max"):
        router = IndexedRouter(encoder=Known(name="known"), routes=routes, aggregation=aggregation)
        began, said = time.process_time(), []
        for text in data["test"].tolist():
            choice = router(text)
            said.append([choice.name or "", float(choice.confidence or 0.0)])
        cost = (time.process_time() - began) / max(1, len(said)) * 1e3
        row = {"aggregation": aggregation, "ms": cost, "said": said}
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
