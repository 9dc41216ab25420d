"""Views on a real database."""
