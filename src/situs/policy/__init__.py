"""May it run there? Pure: builds the input document, and reads the engine's verdict."""

from __future__ import annotations

from situs.policy.judge import judge

__all__ = ["judge"]
