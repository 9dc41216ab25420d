"""Who a document names: groups of people, roles of people, groups of clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.strict_yaml import Item

Members = Mapping[str, frozenset[str]]
"""Name to the ids of its members."""


@dataclass(frozen=True, slots=True)
class Names:
    """The sets that rules refer to by name."""

    groups: Members
    """Of operators, who approve; one human may be in several."""
    roles: Members = field(default_factory=dict)
    """Of operators, beside their groups."""
    client_groups: Members = field(default_factory=dict)
    """Of clients."""


def one_defined(item: Item, defined: Members, what: str) -> str:
    """The name that ``item`` is, out of those the document defines. Raises ``PolicyError`` listing them."""
    if not defined:
        item.refuse(f"the document defines no such {what}", accepted=f"a {what} that stands at the top of the document")
    return item.one_of(defined)
