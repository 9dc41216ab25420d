"""Movements: blocks seen, the coins of our vaults, and what the chain did to them. All of it can be rebuilt."""
