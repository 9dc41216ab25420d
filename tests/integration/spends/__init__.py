"""Spends on real Postgres and a real node."""
