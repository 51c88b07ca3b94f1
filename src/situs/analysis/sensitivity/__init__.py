"""Which personal data and secrets does a text hold? Patterns propose, checksums dispose."""

from situs.analysis.sensitivity.merge import merged
from situs.analysis.sensitivity.plain import plain
from situs.analysis.sensitivity.scan import Scan, joined, scan, warm, warming

__all__ = ["Scan", "joined", "merged", "plain", "scan", "warm", "warming"]
