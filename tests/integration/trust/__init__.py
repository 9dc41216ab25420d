"""The trust root on real Postgres."""
