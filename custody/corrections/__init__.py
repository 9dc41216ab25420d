"""Corrections: entries that people post by hand, each of a kind of its own, and none that nothing stands behind."""
