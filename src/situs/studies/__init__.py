"""Offline work over facts: evaluate, and what evaluations are made of."""
