"""Events on real Postgres."""
