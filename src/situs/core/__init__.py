"""The vocabulary: frozen values, and the ports that the gateway needs."""
