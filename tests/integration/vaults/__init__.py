"""The vaults room on a real database."""
