"""Which HTTP server and client: each stack as one small forwarder, measured."""
