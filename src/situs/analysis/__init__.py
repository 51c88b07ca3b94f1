"""What is this request? Pure: label and findings, tokens, task, and the capability it needs."""

from typing import TYPE_CHECKING, Any

from situs.analysis.labels import DEFAULT_FLOORS

if TYPE_CHECKING:
    from situs.analysis.entry import Look, analyse, deepen, find_names, look, warm

__all__ = ["DEFAULT_FLOORS", "Look", "analyse", "deepen", "find_names", "look", "warm"]


def __getattr__(name: str) -> Any:
    """What analyses needs numpy, and is imported where it is asked for: the parent never does."""
    if name not in __all__:
        raise AttributeError(name)
    from situs.analysis import entry

    return getattr(entry, name)
