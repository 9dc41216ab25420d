"""Alembic's side of the schema: explicit steps, run by the owner role, never by the application's."""
