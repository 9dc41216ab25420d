"""Entries by hand on real Postgres."""
