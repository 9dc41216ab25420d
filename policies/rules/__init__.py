"""The kinds of rule. A new kind is one module with ``read`` and one line in ``READERS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from policies.names import Names
from policies.rules import forbid, permit, require
from policies.rules.forbid import Forbid
from policies.rules.permit import Permit
from policies.rules.require import Require
from policies.strict_yaml import Item

Rule = Permit | Forbid | Require

READERS: Final[dict[str, Callable[[str, dict[str, Item], Names], Rule]]] = {
    "permit": permit.read,
    "forbid": forbid.read,
    "require": require.read,
}
NAMES: Final[dict[str, frozenset[str]]] = {
    "permit": permit.NAMES,
    "forbid": forbid.NAMES,
    "require": require.NAMES,
}
"""What a rule of each kind may hold."""


def windows_of(rule: Rule) -> tuple[tuple[str, int], ...]:
    """``per`` and seconds of each window the rule reads, for its totals and its limit, each once."""
    windows = {(total.per, total.window_seconds) for total in rule.match.totals}
    if isinstance(rule, Permit) and rule.limit:
        windows.add((rule.limit.per, rule.limit.window_seconds))
    return tuple(sorted(windows))
