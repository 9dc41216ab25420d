"""Looking back: at one block, what the node holds, what we indexed and what the books say must be one number.

This room judges the others, so it reads what they stored in statements of its own, in one snapshot of the
database, and never asks them for an opinion.
"""
