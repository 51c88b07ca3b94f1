"""Evaluates a loaded policy: the only place that knows an engine."""
