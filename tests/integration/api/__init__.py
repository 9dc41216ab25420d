"""The HTTP API on a real database."""
