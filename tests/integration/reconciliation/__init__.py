"""Reconciliation, reports and the stuck queue on a real database and a real node."""
