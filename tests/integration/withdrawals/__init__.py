"""Withdrawals on real Postgres."""
