"""Intents and approvals on real Postgres."""
