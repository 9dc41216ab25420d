"""The database itself, on real Postgres."""
