"""What is this request? Pure: label and findings, tokens, task, and the capability it needs."""

from situs.analysis.entry import analyse, warm
from situs.analysis.labels import DEFAULT_FLOORS
from situs.analysis.routes import compile_routes

__all__ = ["DEFAULT_FLOORS", "analyse", "compile_routes", "warm"]
