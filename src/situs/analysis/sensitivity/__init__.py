"""Which personal data and secrets does a text hold? Patterns propose, checksums dispose."""

from situs.analysis.sensitivity.scan import Scan, scan, warm

__all__ = ["Scan", "scan", "warm"]
