"""What must hold between settings: references, money, and no setting without effect.

Each rule takes the values that could be read and reports what contradicts it. A rule keeps silent
about a part in which something else is wrong already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from situs.analysis.sensitivity.lists import problem
from situs.config import countries
from situs.config.data_rules import check_data
from situs.config.modes_rules import check_modes
from situs.config.policy import check_policy
from situs.config.prices_rules import check_prices
from situs.config.problems import Path, Report, nearest
from situs.config.route_rules import check_routes
from situs.config.terms import is_day, is_loopback
from situs.config.tree import Config, Deployment, Endpoint, Model, Onnx
from situs.core.fleet import LocusKind
from situs.core.label import Label
from situs.core.request import AUTO, Modality, Service
from situs.stores.anchors import GIT, STAMP


def check(config: Config, kinds: Iterable[str], report: Report) -> None:
    """`kinds` are the kinds of findings that analysis knows."""
    _check_places(config, report)
    _check_labels(config, kinds, report)
    _check_receipts(config, report)
    _check_telemetry(config, report)
    check_policy(config.policy, report, _check_exposure)
    _check_names(config, report)
    check_routes(config, report)
    check_modes(config, report)
    check_data(config, report)
    # What is declared counts, even where its settings are wrong.
    models, loci = report.below("models"), report.below("loci")
    for name, deployment in config.deployments.items():
        path = ("deployments", name)
        _check_reference(deployment.model, models, (*path, "model"), report)
        _check_reference(deployment.locus, loci, (*path, "locus"), report)
        if report.sound(path):
            _check_server(deployment, path, config, report)
            _check_probe(deployment, path, report)
    check_prices(config, report)
    _check_one_machine(config, report)
    if report.sound(("deployments",)):
        _check_used(config, report)


def _check_places(config: Config, report: Report) -> None:
    if config.home is not None:
        countries.check(config.home, ("home",), report, unknown=False)
    for name, locus in config.loci.items():
        path = ("loci", name)
        countries.check(locus.jurisdiction, (*path, "jurisdiction"), report, unknown=True)
        if locus.owned and locus.kind is LocusKind.PUBLIC_CLOUD:
            report.add((*path, "owned"), "nobody owns a place in a public cloud")
        if locus.evidence_until is not None and not is_day(locus.evidence_until):
            report.add((*path, "evidence_until"), "there is no such day")


def _check_receipts(config: Config, report: Report) -> None:
    """Segments go whole, so one must not grow for longer than lines are kept."""
    receipts = config.receipts
    if receipts.keep_days is not None and receipts.rotate_h > 24 * receipts.keep_days:
        what = f"more than keep_days: {receipts.keep_days}, so lines would be kept longer"
        report.add(("receipts", "rotate_h"), what)
    anchor, path = receipts.anchor, ("receipts", "anchor", "to")
    if anchor is not None and report.sound(path) and (problem := anchor_problem(anchor.to)):
        report.add(path, problem)


def anchor_problem(to: str) -> str | None:
    """What is wrong with a place for anchors, if anything: it is reached as any egress is."""
    if not to.removeprefix(GIT).removeprefix(STAMP):
        return "expected a file, git:REPOSITORY or rfc3161:URL"
    if not to.startswith(STAMP):
        return None
    try:
        parts = urlsplit(to.removeprefix(STAMP))
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        return "expected an http or https URL with a valid host and port after rfc3161:"
    if parts.username is not None or parts.password is not None:
        return "credentials do not belong into a URL"
    if parts.scheme == "http" and not is_loopback(host):
        return "http without TLS to another host; use https"
    return None


def _check_labels(config: Config, kinds: Iterable[str], report: Report) -> None:
    if config.defaults.unread_label is Label.PUBLIC:
        what = "expected internal or higher: what cannot be read is never clean"
        report.add(("defaults", "unread_label"), what)
    known = sorted(kinds)
    for kind in config.labels.floors:
        if kind not in known:
            what = "no detector finds this kind, so the floor has no effect"
            report.add(("labels", "floors", kind), what, nearest=nearest(kind, known))
    _check_lists(config, known, report)


def _check_lists(config: Config, known: Sequence[str], report: Report) -> None:
    for kind, own in config.labels.lists.items():
        path = ("labels", "lists", kind)
        if kind in known:
            report.add(path, "is also a kind that Situs finds itself; choose another name")
        if not own.keywords and not own.patterns:
            report.add(path, "needs keywords or patterns, or nothing is ever found")
        for place, keyword in enumerate(own.keywords):
            if not keyword.strip():
                report.add((*path, "keywords", str(place)), "holds no word")
        for place, pattern in enumerate(own.patterns):
            if said := problem(pattern):
                report.add((*path, "patterns", str(place)), said)


def _check_names(config: Config, report: Report) -> None:
    """A name in a request means one thing: `auto`, a model, or a deployment."""
    for section in ("models", "deployments"):
        if AUTO in getattr(config, section):
            report.add((section, AUTO), "reserved: a request says it to let Situs choose")
    for name, deployment in config.deployments.items():
        if name in config.models and deployment.model != name:
            report.add(("deployments", name), "is also the name of a model it does not serve")


def _check_reference(name: str, declared: frozenset[str], path: Path, report: Report) -> None:
    if name not in declared:
        report.add(path, f"no such {path[-1]} is configured", nearest=nearest(name, declared))


def _check_server(deployment: Deployment, path: Path, config: Config, report: Report) -> None:
    if (deployment.runtime is None) == (deployment.endpoint is None):
        report.add(path, "needs exactly one of runtime and endpoint")
        return
    _check_cache(deployment, path, report)
    if deployment.endpoint is not None:
        _check_url(deployment.endpoint, (*path, "endpoint"), report)
    model = config.models.get(deployment.model)
    runtime = deployment.runtime
    if model is None or runtime is None:
        return
    where = ("models", deployment.model)
    if model.file is None:
        what = "missing; a runtime needs the name of the weights in models.lock"
        report.add((*where, "file"), what)
    if isinstance(runtime, Onnx):
        if report.sound(where):
            _check_onnx(model, where, report)
        return
    if Service.EMBEDDINGS in model.serves:
        report.add((*where, "serves"), "a llama_cpp runtime does not serve embeddings; onnx does")
    if runtime.context_tokens is not None and runtime.context_tokens > model.context_tokens:
        at = (*path, "runtime", "context_tokens")
        report.add(at, f"more than the model's own {model.context_tokens}")


def _check_cache(deployment: Deployment, path: Path, report: Report) -> None:
    if (cache := deployment.cache) is None:
        return
    if deployment.runtime is not None:
        report.add((*path, "cache"), "a runtime's is known: leave it out")
    elif (cache.tokens is None) == (cache.slots is None):
        report.add((*path, "cache"), "needs exactly one of tokens and slots")


def _check_probe(deployment: Deployment, path: Path, report: Report) -> None:
    if deployment.probe_s is not None and deployment.runtime is not None:
        what = "has no effect: a runtime has a probe of its own; remove it"
        report.add((*path, "probe_s"), what)


def _check_onnx(model: Model, path: Path, report: Report) -> None:
    if model.serves != (Service.EMBEDDINGS,):
        what = "an onnx runtime serves embeddings and nothing else: set it to [embeddings]"
        report.add((*path, "serves"), what)
    if model.tokenizer is None:
        what = "missing; an onnx runtime needs the name of the tokenizer in models.lock"
        report.add((*path, "tokenizer"), what)
    if model.dimensions is None:
        what = "missing; an onnx runtime needs the length of the model's embeddings"
        report.add((*path, "dimensions"), what)
    if model.modalities != (Modality.TEXT,):
        report.add((*path, "modalities"), "an onnx runtime reads text only: leave it out")
    for setting in ("tools", "structured_output"):
        if getattr(model, setting):
            report.add((*path, setting), "has no effect: the model serves embeddings only")


def _check_url(endpoint: Endpoint, path: Path, report: Report) -> None:
    if endpoint.url.rstrip("/").endswith("/completions"):
        report.add((*path, "url"), "expected the base URL, without /chat/completions")
    _check_exposure(endpoint.url, (*path, "url"), "key", endpoint.insecure, report)
    for place, network in enumerate(endpoint.networks):
        try:
            ip_network(network)
        except ValueError:
            what = "expected a network without host bits, such as 10.1.0.0/16 or fd00:1::/64"
            report.add((*path, "networks", str(place)), what)
    if endpoint.networks and _is_address(urlsplit(endpoint.url).hostname or ""):
        report.add((*path, "networks"), "has no effect: the URL names an address; remove it")


def _check_telemetry(config: Config, report: Report) -> None:
    otlp, path = config.telemetry.otlp, ("telemetry", "otlp")
    if otlp is None or not report.sound(path):
        return
    if otlp.endpoint.rstrip("/").endswith("/v1/traces"):
        report.add((*path, "endpoint"), "expected the base URL, without /v1/traces")
    _check_exposure(otlp.endpoint, (*path, "endpoint"), "headers", otlp.insecure, report)


def _check_exposure(url: str, path: Path, secret: str, insecure: bool, report: Report) -> None:
    """A host, no credentials (`secret` is where they belong), and no http beyond loopback."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        report.add(path, "expected a URL with a valid host and port")
        return
    if parts.username is not None or parts.password is not None:
        report.add(path, f"credentials do not belong into a URL; use `{secret}`")
    exposed = parts.scheme == "http" and not is_loopback(host)
    if exposed and not insecure:
        what = "http without TLS to another host; use https, or allow it with `insecure: true`"
        report.add(path, what)
    if insecure and not exposed:
        what = "has no effect: this URL is https or loopback; remove it"
        report.add((*path[:-1], "insecure"), what)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _check_one_machine(config: Config, report: Report) -> None:
    running = {name: d for name, d in config.deployments.items() if d.runtime is not None}
    first = next(iter(running.values()), None)
    for name, deployment in running.items():
        if first is not None and deployment.locus != first.locus:
            what = f"runtimes run on this machine, which stands at {first.locus} already"
            report.add(("deployments", name, "locus"), what)


def _check_used(config: Config, report: Report) -> None:
    """A setting with no effect is an error."""
    if not config.deployments:
        report.add(("deployments",), "none: name at least one model at one locus")
        return
    everywhere = config.deployments.values()
    loci = {deployment.locus for deployment in everywhere}
    models = {deployment.model for deployment in everywhere}
    run_here = {deployment.model for deployment in everywhere if deployment.runtime is not None}
    on_onnx = {d.model for d in everywhere if isinstance(d.runtime, Onnx)}
    for name in config.loci:
        if name not in loci:
            report.add(("loci", name), "no deployment uses it; use it or remove it")
    for name, model in config.models.items():
        for setting in ("tokenizer", "dimensions"):
            if getattr(model, setting) is not None and name in models - on_onnx:
                what = "has no effect: no onnx runtime serves this model; remove it"
                report.add(("models", name, setting), what)
        if name not in models:
            report.add(("models", name), "no deployment uses it; use it or remove it")
        elif model.file is not None and name not in run_here:
            what = "has no effect: no runtime serves this model, and an endpoint's weights stay "
            report.add(("models", name, "file"), what + "its operator's word; remove it")
