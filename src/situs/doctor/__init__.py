"""What works here and what does not: one finding a feature, each with its because."""

from situs.doctor.examine import examine
from situs.doctor.finding import Condition, Finding

__all__ = ["Condition", "Finding", "examine"]
