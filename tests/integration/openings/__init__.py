"""Openings on real Postgres."""
