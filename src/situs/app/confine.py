"""What the operating system lets this process, and those it starts, do and leave behind."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping

_DESCRIPTORS = 65_536
_INHERITED = frozenset(
    {"HOME", "LANG", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV", "XDG_CACHE_HOME", "XDG_DATA_HOME"}
)
_FAMILIES = (
    *("COVERAGE_", "GLIBC_", "LC_", "LD_", "MALLOC_", "OMP_", "OPENBLAS_", "PYTHON", "SSL_CERT_"),
    "UV_",
)


def confine() -> None:
    """No core dumps, which hold prompts and keys; new files for nobody else; enough descriptors.

    Of a limit of 0, core(5) says, a program that takes dumps through a pipe knows nothing; 1 byte
    is too little for a file, and stops the kernel before a pipe. A connection and its upstream take
    two descriptors, and the usual soft limit is 1024.
    """
    os.umask(os.umask(0o077) | 0o027)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0 if most == 0 else 1, most))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def workers_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a worker needs of ours: no keys of providers, those come with the plan."""
    return {
        name: value
        for name, value in environ.items()
        if name in _INHERITED or name.startswith(_FAMILIES)
    }
