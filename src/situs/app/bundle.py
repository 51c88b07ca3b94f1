"""The bundle that holds the policy: looked for, fetched, and taken in once it is sound."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import ssl
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from situs.app.setting import Setting
from situs.backends.http1 import Dial, Pool
from situs.backends.opa import fetch
from situs.backends.openai_compatible import place_of
from situs.config.build import own_kinds
from situs.config.policy import Bundle
from situs.config.policy_source import bundle_file, bundle_key
from situs.config.secrets import resolve
from situs.errors import BackendUnavailable, PolicyError, SitusError
from situs.rego.bundle import read_bundle
from situs.rego.embedded import check_source

_log = logging.getLogger(__name__)
_TIMEOUT_S: Final = 10.0
_OK: Final = 200
_DO: Final = "See that the server answers, and that policy.bundle is right."


async def newest_bundle(setting: Setting, dial: Dial) -> str | None:
    """The digest of the bundle that is there now; None without one.

    One with a URL is fetched; it is kept, and holds from the next reload on, only if it is whole,
    signed and sound. If not, the last good one stays, and the log says why.
    """
    bundle = setting.config.policy.bundle
    if bundle is None:
        return None
    try:
        if bundle.url is None:
            raw = await asyncio.to_thread(
                bundle_file(bundle, setting.base, setting.data).read_bytes
            )
        else:
            raw = await _fetched(bundle, setting.base, dial)
            await asyncio.to_thread(_keep, raw, bundle, setting)
    except SitusError as error:
        _log.error("the policy stays as it was: %s %s", error.message, error.advice)
        return None
    except OSError as error:
        _log.error("the policy stays as it was: %s", error.strerror or type(error).__name__)
        return None
    return hashlib.sha256(raw).hexdigest()


async def _fetched(bundle: Bundle, base: Path, dial: Dial) -> bytes:
    url, token = bundle.url or "", None
    if bundle.token is not None:
        token = resolve(bundle.token, base, at="policy.bundle.token").reveal()
    parts, tls = urlsplit(url), None
    if parts.scheme == "https":
        tls = await asyncio.to_thread(ssl.create_default_context)
    pool = Pool(*place_of(url), tls, dial)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            status, raw = await fetch(pool, parts.netloc, parts.path or "/", token)
    except (BackendUnavailable, TimeoutError) as error:
        said = error.message if isinstance(error, BackendUnavailable) else "No answer in time."
        raise PolicyError(f"{url}: the bundle cannot be fetched. {said}", do=_DO) from None
    finally:
        pool.close()
    if status != _OK:
        raise PolicyError(f"{url}: the bundle cannot be fetched: answered {status}.", do=_DO)
    return raw


def _keep(raw: bytes, bundle: Bundle, setting: Setting) -> None:
    """Raises PolicyError for what may not hold, and OSError."""
    source = read_bundle(raw, bundle_key(bundle, setting.base), bundle.url or "")
    check_source(source, own_kinds(setting.config))
    target = bundle_file(bundle, setting.base, setting.data)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, aside = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
    Path(aside).replace(target)
