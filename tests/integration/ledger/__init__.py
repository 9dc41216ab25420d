"""The ledger on real Postgres."""
