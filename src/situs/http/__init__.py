"""HTTP in and out: one file a wire, one table of errors."""
