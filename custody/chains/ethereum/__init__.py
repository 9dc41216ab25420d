"""Ethereum: one Safe per client. What needs no node is in ``offline``."""
