"""A policy document: typed rules without order, and the people and clients they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from custody.kernel.canonical import digest_bytes
from policies.answering import Tables
from policies.names import Members, Names
from policies.rules import NAMES, READERS, Rule
from policies.strict_yaml import Item, PolicyError, listed, read_yaml
from policies.vocabulary import KINDS

MAX_RULES: Final = 1_000
MAX_MEMBERS: Final = 200
MAX_CLIENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document. ``rules`` are sorted by kind and title, so their order in the text means nothing."""

    name: str
    version: int
    groups: Members
    """Group to the ids of its members; one human may be in several."""
    rules: tuple[Rule, ...]
    hash: str
    """``document_hash`` of the exact text."""
    roles: Members = field(default_factory=dict)
    """Role to the ids of the people who hold it."""
    client_groups: Members = field(default_factory=dict)
    """Group of clients to the ids of its clients."""
    _tables: dict[str, Tables] = field(init=False, repr=False, compare=False, default_factory=dict)

    def tables(self, kind: str) -> Tables:
        """How its rules answer to requests of one kind, made when first asked for. All unknown kinds are one."""
        tables = self._tables.get(kind)
        if tables is None:
            known = kind if kind in KINDS else ""
            tables = self._tables.setdefault(known, Tables(self.rules, known))
        return tables


def document_hash(text: str) -> str:
    """Hex digest under the kernel's tag ``policy`` of the exact text in UTF-8, so any change is another document."""
    return digest_bytes("policy", text.encode()).hex()


def load_document(text: str) -> Document:
    """Read a document. Raises ``PolicyError`` with the line, the field and what is accepted."""
    top = read_yaml(text, what="policy").mapping(_NEEDED | _OPTIONAL, required=_NEEDED)
    names = Names(
        groups=_read_members(top["groups"], MAX_MEMBERS),
        roles=_read_members(top["roles"], MAX_MEMBERS) if "roles" in top else {},
        client_groups=_read_members(top["client_groups"], MAX_CLIENTS) if "client_groups" in top else {},
    )
    items = top["rules"].items()
    if len(items) > MAX_RULES:
        top["rules"].refuse("too many rules", accepted=f"at most {MAX_RULES}")
    rules = _without_twins([(item, _read_rule(item, names)) for item in items])
    return Document(
        name=top["policy"].text(),
        version=top["version"].number(most=10**9),
        groups=names.groups,
        rules=tuple(sorted(rules, key=lambda rule: (rule.kind, rule.title))),
        hash=document_hash(text),
        roles=names.roles,
        client_groups=names.client_groups,
    )


_NEEDED = frozenset({"policy", "version", "groups", "rules"})
_OPTIONAL = frozenset({"roles", "client_groups"})


def _read_members(item: Item, most: int) -> Members:
    return {name: _read_group(entry, most) for name, entry in item.mapping().items()}


def _read_group(item: Item, most: int) -> frozenset[str]:
    members = [entry.text() for entry in item.items()]
    if len(set(members)) != len(members) or len(members) > most:
        item.refuse("a member twice, or too many", accepted=f"up to {most} members, each once")
    return frozenset(members)


def _read_rule(item: Item, names: Names) -> Rule:
    entries = item.mapping()
    kinds = [name for name in entries if name in READERS]
    if len(kinds) != 1:
        item.refuse("not exactly one kind of rule", accepted=f"one of {listed(READERS)} with the rule's title")
    kind = kinds[0]
    entries = item.mapping(NAMES[kind], required=("match",))
    return READERS[kind](entries[kind].text(), entries, names)


def _without_twins(read: list[tuple[Item, Rule]]) -> list[Rule]:
    seen: set[str] = set()
    for item, rule in read:
        if rule.title in seen:
            item.refuse(f'a second rule called "{rule.title[:40]}"', accepted="a title of its own for every rule")
        seen.add(rule.title)
    return [rule for _, rule in read]


__all__ = ["Document", "PolicyError", "document_hash", "load_document"]
