"""The movements room on a real database and a real node."""
