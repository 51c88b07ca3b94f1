import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import inspect

from situs.config.aims import Aims
from situs.config.load import examine
from situs.config.problems import Report
from situs.config.reference import example_text, main, published, reference_text, schema
from situs.config.shape import bare
from situs.config.tree import Config

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", published())
def test_what_is_published_is_current(path):
    """If this fails: python -m situs.config.reference"""
    assert (ROOT / path).read_text("utf-8") == published()[path]


def settings(kind: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    kind, _ = bare(kind or inspect.type_info(Config))
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from settings(one, path)
    if isinstance(kind, inspect.DictType):
        yield from settings(kind.value_type, (*path, "*"))
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield (*path, field.encode_name), field
            yield from settings(field.type, (*path, field.encode_name))


def test_every_setting_is_described_and_in_the_reference():
    page = reference_text()
    for path, field in settings():
        description = (field.type.extra_json_schema or {}).get("description")
        assert description, path
        assert f"| `{path[-1]}` |" in page
        assert description in page


def test_the_example_shows_every_setting():
    def present(node: Any, path: tuple[str, ...]) -> bool:
        if not path:
            return True
        if path[0] == "*":
            return any(present(child, path[1:]) for child in node.values())
        return isinstance(node, dict) and path[0] in node and present(node[path[0]], path[1:])

    slots = {"deployments": {"any": {"cache": {"slots": 4}}}}  # in a comment, beside tokens
    shown = [yaml.safe_load(example_text()), *alternatives(), slots]
    missing = [p for p, _ in settings() if not any(present(one, nearest(p)) for one in shown)]
    assert missing == []


def nearest(path: tuple[str, ...]) -> tuple[str, ...]:
    """What may be said in three places is shown in one."""
    of_one = path[:1] in (("tenants",), ("routes",)) and path[2:3]
    return ("defaults", *path[2:]) if of_one and path[2] in Aims.__struct_fields__ else path


def alternatives() -> list[Any]:
    """The sections that stand in the example as comments, because they exclude another one."""
    kinds = r"^# (?:policy|defaults|tenants):\n(?:#   .*\n)+"
    blocks = re.findall(kinds, example_text(), re.MULTILINE)
    return [yaml.safe_load(re.sub(r"^# ", "", block, flags=re.MULTILINE)) for block in blocks]


def test_each_alternative_in_the_example_is_one():
    assert len(alternatives()) == 5
    for one in alternatives():
        text = yaml.safe_dump({**yaml.safe_load(example_text()), **one})
        assert examine(text, Report("example")).problems == ()


def test_the_schema_refuses_unknown_settings_everywhere():
    parts = schema()["$defs"].values()
    objects = [part for part in parts if part.get("type") == "object"]
    assert len(objects) > 10
    assert all(part["additionalProperties"] is False for part in objects)


def test_the_command_writes_what_is_published(tmp_path):
    main(tmp_path)
    for path, text in published().items():
        assert (tmp_path / path).read_text("utf-8") == text
