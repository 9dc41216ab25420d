"""Prices: marks that pinned sources signed, kept for ever, and what the newest of them make an asset worth."""
