"""Whole flows by direct calls: a real database, a real node, real desks, no Celery."""
