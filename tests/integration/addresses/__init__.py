"""The addresses room on a real database."""
