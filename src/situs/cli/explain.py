"""`situs explain`: where a request would go, and why."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from situs.cli.options import config_option, setting_from
from situs.core.label import Label
from situs.core.request import AUTO, Objective


@click.command()
@click.argument("text", required=False)
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path, exists=True, allow_dash=True),
    help="A request as JSON: for chat, completions or embeddings; - reads standard input.",
)
@click.option("--model", help="As the request would name it (default: auto).")
@click.option(
    "--label",
    type=click.Choice([label.value for label in Label]),
    help="Declare a label, as the header x-situs-label would.",
)
@click.option(
    "--objective",
    type=click.Choice([objective.value for objective in Objective]),
    help="Ask for what matters, as the header x-situs-objective would.",
)
@click.option("--session", help="Name a session, as the header x-situs-session would; with --url.")
@click.option("--data-set", multiple=True, help="A data set it draws on, as x-situs-data would.")
@click.option("--url", help="Ask a running gateway, which knows health and load.")
@config_option
@click.option(
    "--policy",
    "policies",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="Judge by this file or folder in place of the configured policy.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(
    text: str | None,
    file: Path | None,
    model: str | None,
    label: str | None,
    objective: str | None,
    session: str | None,
    data_set: tuple[str, ...],
    url: str | None,
    config: Path | None,
    policies: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say where TEXT would be sent, and why. Nothing is sent, nothing is recorded."""
    body = _body(text, file, model)
    if session is not None and url is None:
        raise click.UsageError("What a session has touched a gateway knows: give --url, too.")
    if policies and url is not None:
        raise click.UsageError("A gateway judges by its own policy: leave --policy or --url out.")
    given = {
        "x-situs-label": label,
        "x-situs-objective": objective,
        "x-situs-session": session,
        "x-situs-data": ",".join(data_set) or None,
    }
    headers = {name: value for name, value in given.items() if value is not None}
    answer = _ask(url, body, headers) if url else _decide(body, headers, config, policies)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        from situs.cli.render import explanation

        explanation(answer)


def _body(text: str | None, file: Path | None, model: str | None) -> bytes:
    if (text is None) == (file is None):
        raise click.UsageError("Give TEXT or --file, one of them.")
    if file is not None:
        if model is not None:
            raise click.UsageError("The request in --file names its model; leave --model out.")
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    message = {"role": "user", "content": text}
    return json.dumps({"model": model or AUTO, "messages": [message]}).encode()


def explained_at(body: bytes) -> str:
    """Where a gateway explains such a request: what it asks for shows what it is."""
    try:
        fields = frozenset(json.loads(body))
    except (ValueError, TypeError, RecursionError):
        fields = frozenset()
    wires = (("input", "/embeddings"), ("prompt", "/completions"))
    kind = next((path for field, path in wires if field in fields), "")
    return "/situs/v1/explain" + ("" if "messages" in fields else kind)


def _decide(
    body: bytes, headers: dict[str, str], config: Path | None, policies: tuple[Path, ...]
) -> Any:
    """What the gateway would decide on the configured fleet, by feedback and learned times."""
    import time

    import msgspec
    from msgspec.structs import replace

    from situs.app.believing import beliefs_of
    from situs.app.insight import insight_of, snapshot_of
    from situs.app.planning import load_plan
    from situs.app.timing import kept_view
    from situs.config.policy import Policy
    from situs.core.request import Principal
    from situs.decide import decide
    from situs.errors import UnknownModel
    from situs.http.drawn import drawing
    from situs.http.headers import ask_of
    from situs.http.inference import form_of, new_id
    from situs.placement.explain import explain as spread_out
    from situs.placement.filters import known_name

    setting = setting_from(config, None)
    if policies:
        judged_by = Policy(paths=tuple(str(path.absolute()) for path in policies))
        setting = replace(setting, config=replace(setting.config, policy=judged_by))
    plan = load_plan(setting, 0, {}, secrets=False)
    beliefs = beliefs_of(plan.config, setting.data, time.time())
    snapshot = replace(snapshot_of(plan, insight_of(plan)), beliefs=beliefs, fleet=kept_view(plan))
    ask = ask_of({name.encode(): value.encode() for name, value in headers.items()})
    request = form_of(explained_at(body)).parse(body, new_id(), ask, Principal(), None)
    if not known_name(request, snapshot):
        raise UnknownModel(
            "No deployment, model or route has this name.",
            do=f'Use "{AUTO}", or a route, model or deployment of the configuration.',
        )
    request = drawing(request, snapshot)
    decision = decide(request, snapshot, time.time())
    return msgspec.to_builtins(spread_out(request, decision, snapshot))


def _ask(url: str, body: bytes, headers: dict[str, str]) -> Any:
    """The gateway's own answer; with the key in $SITUS_API_KEY, where one is set."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    from situs.cli.admin import address, key_sent, parts_of, refused
    from situs.errors import OperatorError

    parts_of(url)
    request = Request(  # noqa: S310 - the scheme is checked above
        address(url) + explained_at(body),
        data=body,
        headers={"content-type": "application/json", **headers},
    )
    if key := key_sent():
        request.add_unredirected_header("authorization", f"Bearer {key}")
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        raise refused(url, error.code, error.read()) from None
    except (URLError, OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", error)
        raise OperatorError(
            f"No gateway answers at {url}: {getattr(why, 'strerror', None) or type(why).__name__}.",
            do="Start one with `situs up`, or correct --url.",
        ) from None
