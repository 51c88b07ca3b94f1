"""How much memory a model server may still take on this machine."""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that can be taken without swapping, the container's own limit included.

    None where the system does not say (not Linux).
    """
    found = [free for free in (_machine(meminfo), _container(cgroup)) if free is not None]
    return min(found) if found else None


def _machine(meminfo: Path) -> int | None:
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _container(cgroup: Path) -> int | None:
    """Limit less use (cgroup v2); cached file pages count as free, since they can be dropped."""
    try:
        limit = int((cgroup / "memory.max").read_text())  # "max" is no number: no limit
        used = int((cgroup / "memory.current").read_text())
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(stat.get("inactive_file", "0")))
    except (OSError, ValueError):
        return None
