"""What is this request? Pure: label and findings, tokens, task, and the capability it needs."""

from situs.analysis.entry import Look, analyse, deepen, find_names, look, warm
from situs.analysis.labels import DEFAULT_FLOORS

__all__ = ["DEFAULT_FLOORS", "Look", "analyse", "deepen", "find_names", "look", "warm"]
