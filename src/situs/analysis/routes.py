"""Of which route is a request? By its name, by a rule, or by what the route's samples are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from situs.analysis.route_match import Match, closer, first
from situs.analysis.route_rules import (
    CompiledRule,
    Template,
    compile_rule,
    first_match,
    groups,
    single_turn,
    template,
)
from situs.analysis.route_samples import Index, index, needed
from situs.analysis.task import last_asked
from situs.core.heads import NO_HEADS, Heads, Seen
from situs.core.request import AUTO, Request, Service
from situs.core.route import Route, Routed, RoutedBy
from situs.core.snapshot import NO_ROUTES, Routes


def compile_routes(
    routes: Mapping[str, Route], heads: Heads = NO_HEADS, known: Mapping[str, Any] | None = None
) -> Routes:
    """The routes by name, ready to find and to answer; the first rule that matches wins.

    With an encoder among the heads, routes with samples have a deep tier; `known` has vectors of
    texts that need not be encoded again. Fitting takes some seconds for 150 routes of ten samples.
    Raises ValueError for a pattern or a template that the configuration would have refused.
    """
    if not routes:
        return NO_ROUTES
    with_samples = {name: route.samples for name, route in routes.items() if route.samples}
    compiled = _Compiled(
        within={name: tuple(sorted(route.deployments)) for name, route in routes.items()},
        data={name: route.data for name, route in routes.items()},
        rules={
            (name, place): compile_rule(route, place)
            for name, route in routes.items()
            for place in range(len(route.rules))
        },
        templates={
            name: template(route.answer)
            for name, route in routes.items()
            if route.answer is not None
        },
        index=_index(with_samples, heads, known or {}) if with_samples else None,
    )
    return Routes(dict(routes), compiled.look, compiled.find, compiled.answer)


def _index(samples: Mapping[str, tuple[str, ...]], heads: Heads, known: Mapping[str, Any]) -> Index:
    if heads.encode is None:
        return index(samples, heads.routes)
    vectors = {**heads.routes.vectors, **known}
    missing = [text for text in needed(samples, heads.routes) if text not in vectors]
    if missing:
        vectors.update(zip(missing, heads.encode(missing), strict=True))
    return index(samples, heads.routes, vectors)


class _Compiled(Struct, frozen=True):
    """What `find` and `answer` look at."""

    within: dict[str, tuple[str, ...]]
    data: dict[str, tuple[str, ...]]
    rules: dict[tuple[str, int], CompiledRule]
    templates: dict[str, Template]
    index: Index | None

    def find(
        self, request: Request, seen: Seen | None = None, vectors: Sequence[Any] | None = None
    ) -> Routed | None:
        """With the vectors of what `look` is unsure of, the deep tier's word."""
        found, unsure = self.look(request, seen)
        if vectors is None or not unsure or self.index is None:
            return found
        return self._like(closer(self.index, unsure, vectors))

    def look(
        self, request: Request, seen: Seen | None = None
    ) -> tuple[Routed | None, tuple[str, ...]]:
        """A route's name says it; with `auto`, rules come before samples. None is an answer too.

        A concrete model's or deployment's name pins, and no route is looked for; embeddings have
        none.
        """
        if request.wire.service is Service.EMBEDDINGS:
            return None, ()
        if request.model in self.within:
            return self._routed(request.model, RoutedBy.ASKED), ()
        if request.model != AUTO:
            return None, ()
        said = single_turn(request) if self.rules else None
        rule = None if said is None else first_match(self.rules.values(), said)
        if rule is not None:
            return self._routed(rule.route, RoutedBy.RULE, rule=rule.position), ()
        if self.index is None:
            return None, ()
        found = first(self.index, last_asked(request), seen)
        return self._like(found.match), found.unsure

    def _like(self, match: Match) -> Routed | None:
        if match.name is None:
            return None
        return self._routed(match.name, RoutedBy.SAMPLES, score=match.score)

    def _routed(
        self, route: str, by: RoutedBy, score: float = 1.0, rule: int | None = None
    ) -> Routed:
        return Routed(route, by, score, rule, self.within[route], self.data[route])

    def answer(self, request: Request, routed: Routed | None) -> str | None:
        """The filled template, where a rule matched and any text will do as an answer."""
        if routed is None or routed.rule is None or request.structured_output:
            return None
        filled = self.templates.get(routed.route)
        said = single_turn(request)
        if filled is None or said is None:
            return None
        return filled.fill(groups(self.rules[routed.route, routed.rule], said))
