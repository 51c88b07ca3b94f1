"""Of which route is a request? By its name, by a rule, or by what the route's samples are like."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from situs.analysis.route_rules import (
    CompiledRule,
    Template,
    compile_rule,
    first_match,
    groups,
    single_turn,
    template,
)
from situs.analysis.route_samples import Index, index, nearest
from situs.analysis.task import last_asked
from situs.core.request import AUTO, Request, Service
from situs.core.route import Route, Routed, RoutedBy
from situs.core.snapshot import NO_ROUTES, Routes


def compile_routes(routes: Mapping[str, Route]) -> Routes:
    """The routes by name, ready to find and to answer; the first rule that matches wins.

    Raises ValueError for a pattern or a template that the configuration would have refused.
    """
    if not routes:
        return NO_ROUTES
    with_samples = {name: route.samples for name, route in routes.items() if route.samples}
    compiled = _Compiled(
        within={name: tuple(sorted(route.deployments)) for name, route in routes.items()},
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
        index=index(with_samples) if with_samples else None,
    )
    return Routes(dict(routes), compiled.find, compiled.answer)


class _Compiled(Struct, frozen=True):
    """What `find` and `answer` look at."""

    within: dict[str, tuple[str, ...]]
    rules: dict[tuple[str, int], CompiledRule]
    templates: dict[str, Template]
    index: Index | None

    def find(self, request: Request) -> Routed | None:
        """A route's name says it; with `auto`, rules come before samples. None is an answer too.

        A concrete model's or deployment's name pins, and no route is looked for; embeddings have
        none.
        """
        if request.wire.service is Service.EMBEDDINGS:
            return None
        if request.model in self.within:
            return self._routed(request.model, RoutedBy.ASKED)
        if request.model != AUTO:
            return None
        said = single_turn(request) if self.rules else None
        rule = None if said is None else first_match(self.rules.values(), said)
        if rule is not None:
            return self._routed(rule.route, RoutedBy.RULE, rule=rule.position)
        found = None if self.index is None else nearest(self.index, last_asked(request))
        return None if found is None else self._routed(found[0], RoutedBy.SAMPLES, score=found[1])

    def _routed(
        self, route: str, by: RoutedBy, score: float = 1.0, rule: int | None = None
    ) -> Routed:
        return Routed(route, by, score, rule, self.within[route])

    def answer(self, request: Request, routed: Routed | None) -> str | None:
        """The filled template, where a rule matched and any text will do as an answer."""
        if routed is None or routed.rule is None or request.structured_output:
            return None
        filled = self.templates.get(routed.route)
        said = single_turn(request)
        if filled is None or said is None:
            return None
        return filled.fill(groups(self.rules[routed.route, routed.rule], said))
