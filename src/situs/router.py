"""Semantic routes as a library: which of some named kinds is a text of, or of none?

    from situs.router import Router

    router = Router()
    router.add_route("billing", ["why was I charged twice", "send me the invoice", ...])
    router.route("there is a charge I do not know").name  # 'billing'

No gateway, no configuration, no network. `docs/how-to/router-library.md` shows more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from situs.analysis.route_features import ground
from situs.analysis.route_match import Match, closer, first
from situs.analysis.route_samples import Index, index, needed
from situs.app.heads import encoder as shipped_encoder
from situs.core.heads import Encode
from situs.learning.artefacts import read_card, shipped
from situs.learning.versions import chosen
from situs.runtimes.vectors import kept_vectors, vectors_file

__all__ = ["Match", "Router"]

Handler = Callable[[str], Any]


class Router:
    """Routes by samples; three of each do, ten are better. Threads may share one.

    `encoder` is the deep tier: `auto` takes the one of the package where the extra `local` is
    installed; None goes without; a function from texts to unit vectors is used as it is. With a
    `folder`, the vectors that the package's encoder gives samples are kept there for the next time.
    What is changed takes effect at the next call, which fits anew.
    """

    def __init__(
        self,
        encoder: Encode | Literal["auto"] | None = "auto",
        folder: Path | str | None = None,
    ) -> None:
        """Raises ValueError for a folder with an encoder of one's own, which has no name."""
        if folder is not None and encoder != "auto":
            raise ValueError("a folder keeps vectors of the encoder of the package only")
        artefact = chosen({}, None, {"routes"})["routes"]
        self._ground = ground(artefact.arrays, artefact.card.settings)
        self._encode = shipped_encoder() if encoder == "auto" else encoder
        self._samples: dict[str, tuple[str, ...]] = {}
        self._handlers: dict[str, Handler] = {}
        self._vectors = self._ground.vectors if encoder == "auto" else {}
        self._folder = None if folder is None else Path(folder)
        self._index: Index | None = None
        self._lock = Lock()

    @property
    def routes(self) -> tuple[str, ...]:
        return tuple(self._samples)

    def add_route(self, name: str, samples: Iterable[str], handler: Handler | None = None) -> None:
        """A new route, or another one of that name. Raises ValueError without a sample."""
        found = _texts(samples)
        with self._lock:
            self._samples = {**self._samples, name: found}
            self._handlers.pop(name, None)
            if handler is not None:
                self._handlers[name] = handler
            self._index = None

    def add_samples(self, name: str, samples: Iterable[str]) -> None:
        """More samples of a route. Raises KeyError for one that is not there."""
        found = _texts(samples)
        with self._lock:
            self._samples = {**self._samples, name: (*self._samples[name], *found)}
            self._index = None

    def remove_route(self, name: str) -> None:
        """Raises KeyError for one that is not there."""
        with self._lock:
            if name not in self._samples:
                raise KeyError(name)
            self._samples = {one: own for one, own in self._samples.items() if one != name}
            self._handlers.pop(name, None)
            self._index = None

    def route(self, text: str) -> Match:
        """The route of a text; its `name` is None where it is of none."""
        found = self._fitted()
        if found is None:
            return Match(None, "", 0.0)
        look = first(found, text)
        if not look.unsure or self._encode is None:
            return look.match
        return closer(found, look.unsure, self._encode(look.unsure))

    def __call__(self, text: str) -> Any:
        """What the handler of the text's route returns; None without route or handler."""
        name = self.route(text).name
        handler = None if name is None else self._handlers.get(name)
        return None if handler is None else handler(text)

    def _fitted(self) -> Index | None:
        with self._lock:
            if self._index is None and self._samples:
                if self._encode is None:
                    self._index = index(self._samples, self._ground)
                else:
                    texts = needed(self._samples, self._ground)
                    missing = [text for text in texts if text not in self._vectors]
                    known = dict(self._vectors)
                    if missing:
                        known.update(self._encoded(missing, self._encode))
                    self._vectors = {text: known[text] for text in texts}
                    self._index = index(self._samples, self._ground, self._vectors)
            return self._index

    def _encoded(self, texts: list[str], encode: Encode) -> dict[str, Any]:
        if self._folder is None:
            return dict(zip(texts, encode(texts), strict=True))
        self._folder.mkdir(parents=True, exist_ok=True)
        digest = read_card(shipped("encoder")).digest
        return kept_vectors(texts, encode, vectors_file(self._folder, digest))


def _texts(samples: Iterable[str]) -> tuple[str, ...]:
    if isinstance(samples, str):
        raise ValueError("samples are a list of texts, and this is a single text")
    found = tuple(samples)
    if not any(text.strip() for text in found):
        raise ValueError("a route needs at least one sample")
    return found
