"""How fast is it, and compared to what? Results are JSON lines under `bench/results/`."""
