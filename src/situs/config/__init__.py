"""What did the operator ask for? The strict tree, and the only reader of files and environment."""
