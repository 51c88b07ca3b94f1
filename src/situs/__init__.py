"""Situs: decides where each inference request runs, and proves where it did."""

__version__ = "0.1.0"
