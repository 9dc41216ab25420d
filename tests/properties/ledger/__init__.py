"""The ledger against a model of itself."""
