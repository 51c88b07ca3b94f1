"""How does it get there and back? The walk down the ranking that a decision allowed."""
