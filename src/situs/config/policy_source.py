"""The policy that a configuration names, read and not yet checked; nothing is fetched here."""

from __future__ import annotations

from pathlib import Path

from situs.config.build import own_kinds, policy_paths
from situs.config.policy import Bundle, Opa, server_name
from situs.config.secrets import resolve
from situs.config.tree import Config
from situs.errors import PolicyError
from situs.rego.bundle import read_bundle, read_source
from situs.rego.embedded import check_source
from situs.rego.engine import Checked, of_server
from situs.rego.library import shipped
from situs.rego.modules import Source
from situs.rego.signed import Key, public_key, shared_secret

_AT = "policy.bundle"


def policy_source(config: Config, base: Path, data: Path) -> Source:
    """Of a bundle with a URL, the last good one, which `app.bundle` keeps in `data`.

    Raises PolicyError for what cannot be read and is not what was signed, ConfigError for a secret
    that is not here.
    """
    bundle = config.policy.bundle
    if bundle is None:
        return read_source(policy_paths(config, base) or (shipped(),))
    file = bundle_file(bundle, base, data)
    try:
        raw = file.read_bytes()
    except OSError as problem:
        if bundle.url is not None:
            do = "`situs serve` fetches it when it starts, and its log says why it cannot."
            raise PolicyError(f"{bundle.url}: the bundle was not fetched.", do=do) from None
        said = problem.strerror or type(problem).__name__
        raise PolicyError(f"{file}: cannot be read: {said}.", do="Correct policy.bundle.") from None
    return read_bundle(raw, bundle_key(bundle, base), bundle.url or str(file))


def policy_checked(config: Config, base: Path, data: Path) -> Checked:
    """The same, checked. Of an OPA server nothing is known but where it is."""
    engine = config.policy.engine
    if isinstance(engine, Opa):
        return of_server(server_name(engine))
    return check_source(policy_source(config, base, data), own_kinds(config))


def bundle_file(bundle: Bundle, base: Path, data: Path) -> Path:
    """Where it lies: the last good one of a URL in the data directory."""
    if bundle.path is None:
        return data / "policy" / "bundle.tar.gz"
    return base / Path(bundle.path).expanduser()


def bundle_key(bundle: Bundle, base: Path) -> Key | None:
    """What verifies it; None if nothing does. Raises PolicyError or ConfigError."""
    if bundle.secret is not None:
        at = f"{_AT}.secret"
        return shared_secret(resolve(bundle.secret, base, at=at).reveal(), at)
    if bundle.key is None:
        return None
    file = base / Path(bundle.key).expanduser()
    try:
        return public_key(file.read_text(encoding="ascii"), str(file))
    except (OSError, UnicodeDecodeError) as problem:
        said = getattr(problem, "strerror", None) or "is not text"
        raise PolicyError(f"{_AT}.key: {file}: {said}") from None


def policy_url(config: Config) -> str | None:
    """Where it is fetched, or evaluated; None where it lies here."""
    engine, bundle = config.policy.engine, config.policy.bundle
    if isinstance(engine, Opa):
        return engine.url
    return None if bundle is None else bundle.url
