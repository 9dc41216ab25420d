"""Vaults: which branch of which keyset is whose, and where all their addresses come from."""
