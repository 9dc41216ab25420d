"""Restored databases, and none at all."""
