"""Every bound of every number in the tree is kept, and told in words."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import inspect
from tests.unit.config.test_config_load import BASE, problems

from situs.config.document import Scalar
from situs.config.problems import Mark, Report
from situs.config.shape import MISSING, bare, number_words, read
from situs.config.tree import Config

BOUNDS = ("ge", "gt", "le", "lt")


def numbers(kind: inspect.Type, path: str) -> Iterator[tuple[str, inspect.Type]]:
    kind, _ = bare(kind)
    match kind:
        case inspect.StructType():
            for field in kind.fields:
                yield from numbers(field.type, f"{path}.{field.encode_name}".lstrip("."))
        case inspect.DictType():
            yield from numbers(kind.value_type, f"{path}.NAME")
        case inspect.VarTupleType():
            yield from numbers(kind.item_type, f"{path}[]")
        case inspect.UnionType():
            for one in kind.types:
                yield from numbers(one, path)
        case inspect.IntType() | inspect.FloatType():
            yield path, kind


NUMBERS = dict(numbers(inspect.type_info(Config), ""))


def written(value: float, kind: inspect.Type) -> str:
    return str(int(value)) if isinstance(kind, inspect.IntType) else repr(float(value))


def about(kind: inspect.Type) -> Iterator[float]:
    """On each bound, and beyond it."""
    for bound in (getattr(kind, name) for name in BOUNDS):
        if bound is not None:
            yield from (bound - 1, bound, bound + 1)


@pytest.mark.parametrize("path", NUMBERS)
def test_a_number_is_taken_where_its_bounds_allow_it_and_else_told_with_its_line(path):
    kind = NUMBERS[path]
    assert isinstance(kind, inspect.IntType | inspect.FloatType)
    bounds = {name: getattr(kind, name) for name in BOUNDS if getattr(kind, name) is not None}
    number: Any = int if isinstance(kind, inspect.IntType) else float
    typed: Any = Annotated[number, msgspec.Meta(**bounds)]
    for value in about(kind):
        report = Report("f.yaml")
        text = written(value, kind)
        plain = read(Scalar(Mark(7, 3), text, plain=True), kind, ("a", "b"), report)
        try:
            msgspec.convert(msgspec.json.decode(text), typed)
        except msgspec.ValidationError:
            assert plain is MISSING
            assert str(report.problems[0]) == f"f.yaml:7: a.b: expected {number_words(kind)}"
        else:
            assert plain == value
            assert not report.problems


def test_the_words_say_every_bound():
    kind: Any = NUMBERS["defaults.cascade.error_rate"]
    assert number_words(kind) == "a number above 0 and below 1"


@pytest.mark.parametrize("rate", ["1", "1.0", "1.2", "0", "-0.1"])
def test_a_rate_of_errors_on_a_bound_is_a_problem_with_its_line(rate):
    text = BASE.replace("label: public", f"label: public, cascade: {{error_rate: {rate}}}")
    assert problems(text) == [
        "f.yaml:4: defaults.cascade.error_rate: expected a number above 0 and below 1"
    ]
