"""Deposits: what came in from outside, from first sight to the books, and back out of them after a reorg."""
