"""The command line on a real database, a real node and the real API."""
