"""Celery and Redis live here and nowhere else: rows of the outbox become tasks, tasks make one domain call each."""
