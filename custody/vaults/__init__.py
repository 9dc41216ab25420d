"""Vaults: which branch of which keyset is whose, and the descriptors all their scripts come from."""
