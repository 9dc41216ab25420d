"""Who is missing, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from custody.api.console.parts import lasting


def missing(shown: Mapping[str, Any]) -> str:
    """Of each group: how many, and whose verdict would count; or where it stands."""
    wanted = [(f"{count} of {group}", group) for group, count in shown["tally"]["missing"].items()]
    wanted += [(f"somebody who is {role}", role) for role in shown["tally"]["missing_roles"]]
    waits = [
        f"{words} ({', '.join(shown['missing_people'].get(name, [])) or 'nobody left who may'})"
        for words, name in wanted
    ]
    parts = [f"missing {', '.join(waits)}"] if waits and shown["state"] == "pending" else [shown["state"]]
    if shown["delay_left_seconds"]:
        parts.append(f"waits at least {delay_left(shown)} more")
    return "; ".join(parts)


def delay_left(shown: Mapping[str, Any]) -> str:
    """How long the delay still runs that began when people agreed: ``59 min``."""
    return lasting(timedelta(seconds=shown["delay_left_seconds"]))
