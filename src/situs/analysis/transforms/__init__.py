"""What a request becomes before it leaves, and what its answer becomes on the way back."""

from situs.analysis.transforms.carry_out import Sent, carry_out
from situs.analysis.transforms.pairs import PSEUDONYMISE, REDACT
from situs.analysis.transforms.restore import Restoration, Restorer
from situs.analysis.transforms.survivors import survivors

__all__ = [
    "PSEUDONYMISE",
    "REDACT",
    "Restoration",
    "Restorer",
    "Sent",
    "carry_out",
    "survivors",
]
