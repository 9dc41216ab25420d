"""What the role this process connects as may do, as Postgres itself says it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Rights:
    """The role of a session, and the server it is on."""

    role: str
    server: str
    """Version of the server, as it says it: ``16.4``."""
    server_number: int
    """The same as a number: 160004."""
    too_much: tuple[str, ...]
    """What it may do and the application never needs; empty where all is well."""


_ASKED = text(
    """
    SELECT current_user AS role,
           split_part(current_setting('server_version'), ' ', 1) AS server,
           current_setting('server_version_num')::integer AS server_number,
           rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
           has_schema_privilege(current_user, current_schema(), 'CREATE') AS creates,
           EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p')) AS owns
      FROM pg_roles r WHERE rolname = current_user
    """
)
_WORDS = {
    "rolsuper": "is a superuser",
    "rolcreaterole": "may make roles",
    "rolcreatedb": "may make databases",
    "rolreplication": "may copy the whole server",
    "rolbypassrls": "passes row security",
    "creates": "may change the schema",
    "owns": "owns tables",
}


def of_role(session: Session) -> Rights:
    """The role's rights and the server's version."""
    row = session.execute(_ASKED).mappings().one()
    too_much = tuple(words for name, words in _WORDS.items() if row[name])
    return Rights(row["role"], row["server"], row["server_number"], too_much)
