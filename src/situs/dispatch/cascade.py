"""Holds answers of lesser models back until it is known whether they are to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from situs.core.decision import Decision
from situs.core.ports import Chunk, Mend
from situs.core.request import Request, Service
from situs.core.snapshot import Confidences
from situs.dispatch.answer import Choice, Unasked, encoded, parsed, probing
from situs.dispatch.attempt import Step
from situs.dispatch.walk import better
from situs.placement.confidence import WHOLE, Bar, bar_for, calibration_of
from situs.placement.signals import Said, agreeing, beginning, length, wanted_of

_MOST = 1 << 20
"""Bytes of a stream that are held back at most."""


def cascaded(steps: Sequence[Step], decision: Decision, confidences: Confidences) -> list[Step]:
    """The steps, with a gauge for each whose answers can be judged and bettered.

    One that was calibrated, but of whose answers none may be kept, comes after all others.
    """
    if decision.placement.cascade is None:
        return list(steps)
    found, last = list[Step](), list[Step]()
    for at, step in enumerate(steps):
        judged = any(better(step, other) for other in steps[at + 1 :])
        if not judged or step.request.wire.service is Service.EMBEDDINGS:
            found.append(step)
        elif (gauged := _judged(step, decision, confidences)) is None:
            last.append(step)
        else:
            found.append(gauged)
    return found + last


def _judged(step: Step, decision: Decision, confidences: Confidences) -> Step | None:
    """As it is where nothing was learned; None where none of its answers may be kept.

    Where it cannot give so many answers at once, one is judged.
    """
    cascade, task = decision.placement.cascade, decision.analysis.task
    model, request = step.deployment.model.name, step.request
    if cascade is None or calibration_of(confidences, model, task) is None:
        return step
    slots = step.deployment.cache.slots or cascade.votes
    if request.choices > 1 or cascade.votes > slots:
        cascade = replace(cascade, votes=1)
    bar = bar_for(confidences, model, task, cascade, request.stream)
    if bar is None or (bar.tokens and not step.deployment.logprobs):
        return None
    return _gauged(step, bar)


def _gauged(step: Step, bar: Bar) -> Step:
    """Mend and gauge of the step share what is read of the answer: a step is tried only once."""
    request = step.request
    sent = probing(request) if bar.tokens else request
    listener = Listener(bar, request, Unasked(request, sent))
    if bar.view.votes > 1:
        sent = voting(sent, bar.view.votes)
    mend = step.mend
    return replace(
        step,
        request=sent,
        mend=lambda: Heard(listener, mend and mend()),
        gauge=lambda: Held(listener),
    )


def voting(request: Request, votes: int) -> Request:
    """The same request, asking for so many answers that may differ."""
    document = {**request.document, "n": votes}
    if not document.get("temperature", 1):
        document["temperature"] = 0.7
    return replace(request, document=document, choices=votes)


class Listener:
    """Reads an answer as it comes from there, and knows when enough of it was seen.

    `kept` is None until then, `confidence` also where it cannot be judged. What the caller did not
    ask for is taken out on the way.
    """

    def __init__(self, bar: Bar, request: Request, unasked: Unasked) -> None:
        self.kept: bool | None = None
        self.confidence: float | None = None
        self._bar = bar
        self._wanted = wanted_of(request)
        self._unasked = unasked
        self._votes = bar.view.votes
        self._expected = request.choices
        self._choices: dict[int, Choice] = {}
        self._size = 0

    def hear(self, chunk: Chunk) -> Chunk:
        """The chunk as if log-probabilities and votes had never been asked for."""
        self._size += len(chunk.data)
        if chunk.data.lstrip()[:1] == b"{":
            return self._whole(chunk)
        out, final = list[bytes](), None
        for event in chunk.data.split(b"\n\n"):
            if event:
                data, final = self._event(event)
                out.append(data + b"\n\n")
        if self._size > _MOST:
            self.over()
        elif self.kept is None and self._seen():
            self._judge(over=False)
        return replace(chunk, data=b"".join(out), final=chunk.final and final)

    def over(self) -> None:
        """No more will come: it is judged on what there is."""
        if self.kept is None:
            self._judge(over=True)

    def _whole(self, chunk: Chunk) -> Chunk:
        document = parsed(chunk.data)
        if document is None or not document.get("choices"):
            self.kept = True  # an error, which is no answer to be judged
            return chunk
        self._take(document)
        self._judge(over=True)
        changed = self._unasked.drop(document)
        if self._votes > 1:
            document["choices"] = document["choices"][:1]
        elif not changed:
            return chunk
        return replace(chunk, data=encoded(document))

    def _event(self, event: bytes) -> tuple[bytes, dict[str, Any] | None]:
        lines = event.split(b"\n")
        data = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line[:5] == b"data:")
        document = parsed(data) if data.startswith(b"{") else None
        if document is None:
            return event, None
        if self.kept is None:
            self._take(document)
        if not self._unasked.drop(document):
            return event, document
        others = [line for line in lines if line[:5] != b"data:"]
        return b"\n".join([*others, b"data: " + encoded(document)]), document

    def _take(self, document: dict[str, Any]) -> None:
        parts = document.get("choices")
        for position, part in enumerate(parts if isinstance(parts, list) else ()):
            if isinstance(part, dict):
                index = part.get("index")
                at = index if isinstance(index, int) else position
                self._choices.setdefault(at, Choice()).add(part)

    def _seen(self) -> bool:
        """Whether every choice is over, or longer than the window."""
        window, said = self._bar.view.window, [one.said() for one in self._choices.values()]
        return len(said) >= self._expected and all(
            one.finish is not None or length(one) >= window > WHOLE for one in said
        )

    def _judge(self, *, over: bool) -> None:
        window = self._bar.view.window
        answers = [one.said(over=over) for one in self._choices.values()]
        if window > WHOLE:
            answers = [beginning(one, window) for one in answers]
        if self._votes > 1 and answers:
            answers = [agreeing(answers)]
        self.kept = False
        if not any(self._strange(one) for one in answers):
            self.confidence = self._bar.confidence(answers, self._wanted)
            self.kept = self.confidence >= self._bar.least
        self._choices.clear()

    def _strange(self, said: Said) -> bool:
        """With log-probabilities where none were learned of, or without: it says nothing."""
        return bool(said.text or said.calls) and bool(said.tokens) is not self._bar.tokens


class Heard:
    """Lets the listener hear an answer before it is mended; see `core.ports.Mend`."""

    def __init__(self, listener: Listener, inner: Mend | None) -> None:
        self._listener = listener
        self._inner = inner

    @property
    def applied(self) -> dict[str, int]:
        return {} if self._inner is None else self._inner.applied

    def feed(self, chunk: Chunk) -> list[Chunk]:
        heard = self._listener.hear(chunk)
        return [heard] if self._inner is None else self._inner.feed(heard)

    def close(self) -> list[Chunk]:
        self._listener.over()
        return [] if self._inner is None else self._inner.close()


class Held:
    """Holds an answer back until the listener knows; see `core.ports.Gauge`."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._back: list[Chunk] = []
        self._released = False

    @property
    def low(self) -> bool:
        return self._listener.kept is False

    @property
    def confidence(self) -> float | None:
        return self._listener.confidence

    def feed(self, chunk: Chunk) -> list[Chunk]:
        self._back.append(chunk)
        return self.close()

    def close(self) -> list[Chunk]:
        return self._flushed() if self._released or self._listener.kept else []

    def release(self) -> list[Chunk]:
        self._released = True
        return self._flushed()

    def _flushed(self) -> list[Chunk]:
        held, self._back = self._back, []
        return held
