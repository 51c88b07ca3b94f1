"""What must hold between the routes of a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from situs.analysis.route_rules import compile_pattern, folded, template, worded
from situs.config.problems import Path, Report, nearest
from situs.config.routing import Route, Rule
from situs.config.tree import Config
from situs.core.request import AUTO


def check_routes(config: Config, report: Report) -> None:
    """Names mean one thing, references lead somewhere, and everything has an effect."""
    declared = report.below("deployments")
    samples: dict[str, str] = {}
    for name, route in config.routes.items():
        path = ("routes", name)
        _check_name(name, config, report)
        for place, deployment in enumerate(route.deployments):
            if deployment not in declared:
                what = "no such deployment is configured"
                close = nearest(deployment, declared)
                report.add((*path, "deployments", str(place)), what, nearest=close)
        _check_samples(name, route, samples, report)
        if not report.sound(path):
            continue
        if not route.samples and not route.rules:
            report.add(path, "needs samples or rules, or nothing is ever of this route")
        groups = [_check_rule(rule, path, at, report) for at, rule in enumerate(route.rules)]
        if route.answer is not None and report.sound(path):
            _check_answer(route, groups, path, report)


def _check_name(name: str, config: Config, report: Report) -> None:
    """What a request may say as its model means one thing."""
    if name == AUTO:
        report.add(("routes", name), "reserved: a request says it to let Situs choose")
    for section, one in (("models", "a model"), ("deployments", "a deployment")):
        if name in report.below(section):
            report.add(("routes", name), f"is also the name of {one}")
            return


def _check_samples(name: str, route: Route, seen: dict[str, str], report: Report) -> None:
    for place, sample in enumerate(route.samples):
        path = ("routes", name, "samples", str(place))
        words = worded(folded(sample))
        if not words.strip():
            report.add(path, "holds no word")
        elif seen.setdefault(words, name) != name:
            report.add(path, f"is also a sample of {seen[words]}")


def _check_rule(rule: Rule, route: Path, place: int, report: Report) -> frozenset[str]:
    """The groups that the rule's pattern has."""
    path = (*route, "rules", str(place))
    given = [rule.exact is not None, bool(rule.keywords), rule.pattern is not None]
    if sum(given) != 1:
        report.add(path, "needs exactly one of exact, keywords and pattern")
        return frozenset()
    for at, keyword in enumerate(rule.keywords):
        if not worded(folded(keyword)).strip():
            report.add((*path, "keywords", str(at)), "holds no word")
    if rule.pattern is None:
        return frozenset()
    try:
        found: Iterable[bytes] = compile_pattern(rule.pattern).groupindex
    except ValueError as error:
        report.add((*path, "pattern"), f"not an RE2 expression: {error}")
        return frozenset()
    return frozenset(name.decode() for name in found)


def _check_answer(
    route: Route, groups: Sequence[frozenset[str]], path: Path, report: Report
) -> None:
    where = (*path, "answer")
    try:
        names = template(route.answer or "").names
    except ValueError as error:
        report.add(where, f"not a template: {error}; braces themselves are {{{{ and }}}}")
        return
    if not route.rules:
        report.add(where, "has no effect without rules: only what a rule matched is answered")
    for place, known in enumerate(groups):
        for name in sorted(names - known):
            what = f"rule {place} has no group of a name that the answer uses"
            report.add((*path, "rules", str(place)), what, nearest=nearest(name, known))
