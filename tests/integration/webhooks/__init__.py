"""Webhooks on real Postgres and real sockets."""
