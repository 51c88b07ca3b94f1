"""What works here and what does not: one diagnosis for each feature, with its because."""

from situs.doctor.diagnosis import Diagnosis, Standing
from situs.doctor.examine import examine

__all__ = ["Diagnosis", "Standing", "examine"]
