"""Keeps owned model servers alive: lifecycle, supervision, llama.cpp, and the weights lock."""
