"""The audit chain on real Postgres."""
