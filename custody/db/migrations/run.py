"""Upgrade a database to the newest schema: the one call behind ``custody db upgrade``, tests and the demo."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


def config_for(owner_url: str) -> Config:
    """Alembic's configuration for the schema's owner at ``owner_url``."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("sqlalchemy.url", owner_url.replace("%", "%%"))
    return config


def upgrade(owner_url: str) -> None:
    """Create or upgrade the schema as its owner. The role ``custody_app`` must exist."""
    command.upgrade(config_for(owner_url), "head")
