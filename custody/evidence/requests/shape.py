"""How a request part is spelled: one table of fields a kind, read and written by the same code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Self

from custody.evidence import fields
from custody.evidence.places import VaultName
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput
from custody.kernel.money import MAX_UNITS

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one field stands in the signed object."""

    read: Callable[..., Any]
    """``(value, *, field)`` to the field's value; raises ``InvalidInput``."""
    write: Callable[[Any], Any] = lambda value: value


class Spelled:
    """A request part: a frozen dataclass whose fields are spelled as its ``spelling`` says.

    Every kind has ``requester``, ``not_after`` and ``idempotency_key``. Only the canonical spelling of each field is
    accepted, so that who signed one object signed no other.
    """

    __slots__ = ()

    kind: ClassVar[str]
    spelling: ClassVar[Mapping[str, Spelling]]

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed; amounts are strings of base units."""
        written = {name: spelling.write(getattr(self, name)) for name, spelling in self.spelling.items()}
        return {"format": FORMAT, "kind": self.kind, **written}

    @classmethod
    def parse(cls, value: object, *, field: str = "request") -> Self:
        """Read the signed object. Raises ``InvalidInput`` naming the field."""
        found = fields.exact_object(value, ("format", "kind", *cls.spelling), field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        fields.one_of(found["kind"], (cls.kind,), field=f"{field}.kind")
        return cls(
            **{name: spelling.read(found[name], field=f"{field}.{name}") for name, spelling in cls.spelling.items()}
        )


def units(value: object, *, field: str) -> int:
    """A string of base units greater than zero: ASCII digits, no sign, point, exponent or leading zero."""
    good = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78 and value[0] != "0"
    if not good:
        raise InvalidInput("not a string of digits greater than 0, in base units", field=field)
    number = int(str(value))
    if number > MAX_UNITS:
        raise InvalidInput("more than 78 digits", field=field)
    return number


def canonical_time(value: object, *, field: str) -> datetime:
    """A moment in the one spelling that is signed. Raises ``InvalidInput``."""
    moment = parse_rfc3339(value, field=field)
    if rfc3339(moment) != value:
        raise InvalidInput("not in canonical form; accepted is YYYY-MM-DDThh:mm:ss.ffffffZ", field=field)
    return moment


def text_of(limit: int = 200) -> Spelling:
    """A printable text of at most ``limit`` characters."""
    return Spelling(lambda value, *, field: fields.text(value, field=field, limit=limit))


def one_of(*accepted: str) -> Spelling:
    """One of a few words."""
    return Spelling(lambda value, *, field: fields.one_of(value, accepted, field=field))


def hex_of(length: int) -> Spelling:
    """Lower-case hex of ``length`` bytes."""
    return Spelling(lambda value, *, field: fields.hexadecimal(value, field=field, length=length))


def whole(*, low: int = 0, high: int = 2**31 - 1) -> Spelling:
    """A JSON integer."""
    return Spelling(lambda value, *, field: fields.whole_number(value, field=field, low=low, high=high))


NAME: Final = Spelling(fields.name)
TEXT: Final = text_of()
UNITS: Final = Spelling(units, str)
TIME: Final = Spelling(canonical_time, rfc3339)
DIGEST: Final = hex_of(32)
VAULT: Final = Spelling(VaultName.parse, str)

_OPENING: Final = {"requester": NAME}
_CLOSING: Final = {"not_after": TIME, "idempotency_key": NAME}
_REASONED: Final = {"purpose": TEXT, **_CLOSING}


def spelled(**own: Spelling) -> dict[str, Spelling]:
    """The fields of a kind without a purpose, in the order people read them."""
    return {**_OPENING, **own, **_CLOSING}


def reasoned(**own: Spelling) -> dict[str, Spelling]:
    """The fields of a kind whose requester says why."""
    return {**_OPENING, **own, **_REASONED}
