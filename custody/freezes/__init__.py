"""Freezes: people stop a client, a vault, an asset or everything by an intent, and let it go by another."""
