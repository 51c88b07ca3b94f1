"""Get better from what happened: train heads and routes, keep them as artefacts."""
