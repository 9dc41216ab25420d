"""The part of YAML a policy document may use: maps, lists and plain text, each with its line.

Refused: repeated keys, anchors and aliases, tags, floats, booleans, nulls and dates (quote them to mean text),
several documents in one file, invisible characters, deep nesting and large files. So a document has one reading.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NoReturn

import yaml

from custody.kernel import lettering
from custody.kernel.errors import InvalidInput

MAX_CHARACTERS: Final = 500_000
MAX_DEPTH: Final = 12


class PolicyError(InvalidInput):
    """A policy document or case table is not acceptable. Carries ``line`` (from 1), ``field`` and ``accepted``."""

    code = "policy-document-invalid"

    def __init__(self, problem: str, *, field: str, line: int, accepted: str) -> None:
        super().__init__(f"line {line}: {problem}; accepted is {accepted}", field=field, line=line, accepted=accepted)
        self.line = line
        self.accepted = accepted


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a document with where it stands: ``field`` is a path such as ``rules[2].match.kind``."""

    field: str
    line: int
    value: str | dict[str, Item] | list[Item]

    def refuse(self, problem: str, *, accepted: str) -> NoReturn:
        """Raise ``PolicyError`` about this value."""
        raise PolicyError(problem, field=self.field, line=self.line, accepted=accepted)

    def mapping(self, allowed: Collection[str] | None = None, required: Collection[str] = ()) -> dict[str, Item]:
        """The map this is, with no key outside ``allowed`` and every ``required`` one. Raises ``PolicyError``."""
        if not isinstance(self.value, dict):
            self.refuse(f"{self.kind()} where a map belongs", accepted="a map of names to values")
        for key, item in self.value.items():
            if allowed is not None and key not in allowed:
                item.refuse(f"unknown name {quoted(key)}", accepted=listed(allowed))
        for key in required:
            if key not in self.value:
                self.refuse(f"{quoted(key)} is missing", accepted=f"a map with {listed(required)}")
        return self.value

    def items(self) -> list[Item]:
        """The non-empty list this is. Raises ``PolicyError``."""
        if not isinstance(self.value, list) or not self.value:
            self.refuse(f"{self.kind()} where a list belongs", accepted="a list of one value or more")
        return self.value

    def one_or_more(self) -> list[Item]:
        """The list this is, or the one text as a list. Raises ``PolicyError``."""
        return [self] if isinstance(self.value, str) else self.items()

    def text(self, *, limit: int = 120) -> str:
        """The text this is, 1 to ``limit`` characters. Raises ``PolicyError``."""
        accepted = f"a text of 1 to {limit} characters"
        if not isinstance(self.value, str):
            self.refuse(f"{self.kind()} where a text belongs", accepted=accepted)
        if not 0 < len(self.value) <= limit or self.value != self.value.strip():
            self.refuse("an empty, too long or padded text", accepted=accepted)
        return self.value

    def one_of(self, accepted: Collection[str]) -> str:
        """The text this is, out of a closed set. Raises ``PolicyError`` listing the set."""
        if not isinstance(self.value, str) or self.value not in accepted:
            self.refuse(f"{quoted(self.value)} is not known here", accepted=listed(accepted))
        return self.value

    def number(self, *, most: int) -> int:
        """A whole number from 1 to ``most``; underscores may group digits. Raises ``PolicyError``."""
        if not isinstance(self.value, str) or _NUMBER.fullmatch(self.value) is None:
            self.refuse(f"{quoted(self.value)} is not a whole number", accepted=f"a whole number from 1 to {most}")
        found = int(self.value)
        if found > most:
            self.refuse(f"{found} is too large", accepted=f"a whole number from 1 to {most}")
        return found

    def kind(self) -> str:
        """What this is, in a word for a message."""
        if isinstance(self.value, list) and not self.value:
            return "an empty list"
        return {str: "a text", dict: "a map", list: "a list"}[type(self.value)]


def read_yaml(text: str, *, what: str) -> Item:
    """Read one strict YAML document. ``what`` names it in errors. Raises ``PolicyError``."""
    if len(text) > MAX_CHARACTERS:
        raise PolicyError("too large", field=what, line=1, accepted=f"at most {MAX_CHARACTERS} characters")
    for line, ended in enumerate(text.split("\n"), start=1):
        content = ended.removesuffix("\r")
        if not content.isprintable():
            accepted = "visible characters, blanks and line ends (no tabs)"
            raise PolicyError("an invisible character", field=what, line=line, accepted=accepted)
        wrong = lettering.trouble(content)
        if wrong is not None:
            raise PolicyError(f"it {wrong[0]}", field=what, line=line, accepted=wrong[1])
    try:
        _refuse_ambiguous(text, what)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise PolicyError(_problem(error), field=what, line=_line(error), accepted="one YAML document") from error
    if node is None:
        raise PolicyError("empty", field=what, line=1, accepted="one YAML document")
    return _item(node, "")


def quoted(value: object) -> str:
    """A short, quoted piece of what was found, for a message."""
    return f'"{value[:40]}"' if isinstance(value, str) else "this"


def listed(words: Collection[str]) -> str:
    """Accepted words, sorted, for a message."""
    return ", ".join(sorted(words))


_NUMBER = re.compile(r"[1-9][0-9]{0,17}(?:_[0-9]{1,18}){0,6}", re.ASCII)
_TEXT_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:int"}
_TAG_WORDS = {"float": "a number with a fraction", "bool": "a yes or no", "null": "nothing", "timestamp": "a date"}


def _refuse_ambiguous(text: str, what: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = 1 + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise PolicyError("an anchor or alias", field=what, line=line, accepted="values written out")
        if getattr(event, "tag", None) is not None:
            raise PolicyError("a tag", field=what, line=line, accepted="values without ! tags")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise PolicyError("nested too deep", field=what, line=line, accepted=f"{MAX_DEPTH} levels")


def _item(node: yaml.Node, field: str, line: int | None = None) -> Item:
    at = node.start_mark.line + 1 if line is None else line
    if isinstance(node, yaml.MappingNode):
        return Item(field, at, _entries(node, field))
    if isinstance(node, yaml.SequenceNode):
        return Item(field, at, [_item(child, f"{field}[{index}]") for index, child in enumerate(node.value)])
    assert isinstance(node, yaml.ScalarNode)
    return Item(field, at, _scalar(node, field))


def _entries(node: yaml.MappingNode, field: str) -> dict[str, Item]:
    entries: dict[str, Item] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise PolicyError("a name that is not a text", field=field, line=line, accepted="text names")
        key = _scalar(key_node, field)
        if key in entries:
            raise PolicyError(f"{quoted(key)} stands twice", field=field, line=line, accepted="each name once")
        entries[key] = _item(value_node, f"{field}.{key}" if field else key, line)
    return entries


def _scalar(node: yaml.ScalarNode, field: str) -> str:
    if node.tag not in _TEXT_TAGS:
        found = _TAG_WORDS.get(node.tag.rpartition(":")[2], "a YAML special")
        problem = f"{quoted(node.value)} reads as {found}"
        raise PolicyError(
            problem, field=field, line=node.start_mark.line + 1, accepted="text (quote it) or whole numbers"
        )
    text: str = node.value
    return text


def _problem(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or "not YAML")


def _line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark is not None else 1
