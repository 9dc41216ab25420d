"""Lists of destinations on real Postgres."""
