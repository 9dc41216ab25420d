"""A policy document: typed rules without order, and the groups of people they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from custody.kernel.canonical import digest_bytes
from policies.rules import NAMES, READERS, Rule
from policies.strict_yaml import Item, PolicyError, listed, read_yaml

MAX_RULES: Final = 1_000
MAX_MEMBERS: Final = 200


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document. ``rules`` are sorted by kind and title, so their order in the text means nothing."""

    name: str
    version: int
    groups: Mapping[str, frozenset[str]]
    """Group to the ids of its members; one human may be in several."""
    rules: tuple[Rule, ...]
    hash: str
    """``document_hash`` of the exact text."""


def document_hash(text: str) -> str:
    """Hex digest under the kernel's tag ``policy`` of the exact text in UTF-8, so any change is another document."""
    return digest_bytes("policy", text.encode()).hex()


def load_document(text: str) -> Document:
    """Read a document. Raises ``PolicyError`` with the line, the field and what is accepted."""
    top = read_yaml(text, what="policy").mapping(_TOP, required=_TOP)
    groups = {name: _read_group(item) for name, item in top["groups"].mapping().items()}
    items = top["rules"].items()
    if len(items) > MAX_RULES:
        top["rules"].refuse("too many rules", accepted=f"at most {MAX_RULES}")
    rules = _without_twins([(item, _read_rule(item, groups)) for item in items])
    return Document(
        name=top["policy"].text(),
        version=top["version"].number(most=10**9),
        groups=groups,
        rules=tuple(sorted(rules, key=lambda rule: (rule.kind, rule.title))),
        hash=document_hash(text),
    )


_TOP = frozenset({"policy", "version", "groups", "rules"})


def _read_group(item: Item) -> frozenset[str]:
    members = [entry.text() for entry in item.items()]
    if len(set(members)) != len(members) or len(members) > MAX_MEMBERS:
        item.refuse("a member twice, or too many", accepted=f"up to {MAX_MEMBERS} members, each once")
    return frozenset(members)


def _read_rule(item: Item, groups: Mapping[str, frozenset[str]]) -> Rule:
    entries = item.mapping()
    kinds = [name for name in entries if name in READERS]
    if len(kinds) != 1:
        item.refuse("not exactly one kind of rule", accepted=f"one of {listed(READERS)} with the rule's title")
    kind = kinds[0]
    entries = item.mapping(NAMES[kind], required=("match",))
    return READERS[kind](entries[kind].text(), entries, groups)


def _without_twins(read: list[tuple[Item, Rule]]) -> list[Rule]:
    seen: set[str] = set()
    for item, rule in read:
        if rule.title in seen:
            item.refuse(f'a second rule called "{rule.title[:40]}"', accepted="a title of its own for every rule")
        seen.add(rule.title)
    return [rule for _, rule in read]


__all__ = ["Document", "PolicyError", "document_hash", "load_document"]
