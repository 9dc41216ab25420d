"""The shapes of tasks on real Postgres."""
