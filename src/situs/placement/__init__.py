"""Of what may, what should? Filters, scorers and the pick: pure functions over a fleet view."""

from situs.placement.place import place

__all__ = ["place"]
