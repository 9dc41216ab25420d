"""What the demo's and the tests' Ethereum chain carries before the first transaction: Safe, Multicall3, tokens."""
