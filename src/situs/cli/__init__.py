"""Commands, no logic: one file a command group."""
