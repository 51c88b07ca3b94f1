"""Speak one wire each: the last step before the network, and the first after it."""
