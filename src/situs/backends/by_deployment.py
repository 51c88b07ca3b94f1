"""Each deployment over the backend that speaks its wire."""

from __future__ import annotations

from collections.abc import Mapping

from situs.core.fleet import Deployment
from situs.core.ports import Backends, Reply
from situs.core.request import Request


class ByDeployment:
    """The backends of a whole fleet; see `core.ports.Backends`."""

    def __init__(self, backends: Mapping[str, Backends]) -> None:
        self._backends = dict(backends)

    def prepare(self, deployment: Deployment, request: Request) -> Reply:
        return self._backends[deployment.name].prepare(deployment, request)
