"""The outbox on real Postgres."""
