"""What is published about the tree: JSON schema, reference page, example.

`python -m situs.config.reference [ROOT]` writes them into a checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from situs.config.shape import bare, choices, number_words
from situs.config.tree import Config

_HEAD = """\
# Configuration

<!-- Made by `python -m situs.config.reference`; do not edit. -->

One YAML file, read by `situs serve --config situs.yaml` and checked by `situs config check`. It is
read strictly: an unknown setting, a setting without effect, a name that refers to nothing, a key
used twice are errors, and all of them are shown at once with their lines. Of YAML's syntax, tags
and merge keys are not supported; `true` and `false` are the only booleans, so `jurisdiction: NO`
is Norway.

`situs config check --print` shows the whole tree with its defaults, `situs config example` a
commented example, `situs config schema` the JSON schema, which editors can use:

    # yaml-language-server: $schema=situs.schema.json

Secrets are references: `env:NAME`, or `file:PATH` relative to the configuration file. The file
must not be open to other users. Money is reckoned in one currency; see [prices](prices.md).

In the tables, *required* settings must be given where their section is; *none* means that the
setting may be left out, and what then holds stands beside it.
"""


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of the whole file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Situs configuration",
        **msgspec.json.schema(Config),
    }


def schema_text() -> str:
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def example_text() -> str:
    return (resources.files("situs.config") / "example.yaml").read_text("utf-8")


def reference_text() -> str:
    """The reference page in Markdown: one table for each section, in the order of the file."""
    return "\n".join([_HEAD, *_section("", inspect.type_info(Config))])


def _section(path: str, kind: inspect.Type) -> Iterator[str]:
    struct, _ = bare(kind)
    assert isinstance(struct, inspect.StructType)  # noqa: S101 - called with nothing else
    yield f"## {f'`{path}`' if path else 'The file'}\n"
    yield f"{(struct.cls.__doc__ or '').strip()}\n"
    yield "| setting | takes | default | meaning |\n| --- | --- | --- | --- |"
    if struct.tag_field is not None:
        yield f"| `{struct.tag_field}` | `{struct.tag}` | *required* | Chooses this one. |"
    inner: list[tuple[str, inspect.Type]] = []
    for field in struct.fields:
        yield _row(field)
        prefix = f"{path}." if path else ""
        for step, part in _below(field.type):
            inner.append((f"{prefix}{field.encode_name}{step}", part))
    yield ""
    for name, part in inner:
        yield from _section(name, part)


def _row(field: inspect.Field) -> str:
    description = ""
    if isinstance(field.type, inspect.Metadata):
        description = (field.type.extra_json_schema or {}).get("description", "")
    takes = _takes(field.type)
    cells = [f"`{field.encode_name}`", takes, _default(field), description]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _below(kind: inspect.Type) -> list[tuple[str, inspect.Type]]:
    """The sections that may stand under a setting, and what their paths add."""
    kind, _ = bare(kind)
    if isinstance(kind, inspect.StructType):
        return [(f" ({kind.tag})" if kind.tag_field else "", kind)]
    if isinstance(kind, inspect.UnionType):
        return [found for one in kind.types for found in _below(one)]
    if isinstance(kind, inspect.DictType):
        return [(f".NAME{step}", part) for step, part in _below(kind.value_type)]
    if isinstance(kind, inspect.VarTupleType):
        return [(f"[]{step}", part) for step, part in _below(kind.item_type)]
    return []


def _takes(kind: inspect.Type) -> str:
    kind, expected = bare(kind)
    if expected:
        return expected
    match kind:
        case inspect.StructType():
            return "settings, see below"
        case inspect.DictType():
            key = "name" if _below(kind.value_type) else "kind"
            return f"{key}: {_takes(kind.value_type)}"
        case inspect.VarTupleType():
            return f"a list of: {_takes(kind.item_type)}"
        case inspect.UnionType():
            return next(_takes(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType() | inspect.EnumType():
            return ", ".join(f"`{word}`" for word in choices(kind))
        case inspect.BoolType():
            return "`true`, `false`"
        case inspect.IntType() | inspect.FloatType():
            return number_words(kind)
        case _:
            return "text"


def _default(field: inspect.Field) -> str:
    if field.required:
        return "*required*"
    if isinstance(bare(field.type)[0], inspect.StructType):
        return "*see below*"
    made = field.default_factory
    value = field.default if made is msgspec.NODEFAULT else made()
    return "*none*" if value is None else f"`{msgspec.json.encode(value).decode()}`"


def published() -> dict[str, str]:
    """Path in the checkout to content."""
    return {
        "docs/reference/situs.schema.json": schema_text(),
        "docs/reference/configuration.md": reference_text(),
        "examples/situs.example.yaml": example_text(),
    }


def main(root: Path) -> None:
    for path, text in published().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
