"""Freezes on real Postgres."""
