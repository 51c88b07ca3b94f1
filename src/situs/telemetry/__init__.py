"""What can be watched: metrics, logs, traces, status; the only place where their names exist."""
