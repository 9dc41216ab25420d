"""The Python client without a house."""
