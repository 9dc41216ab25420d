"""The request part of an intent: what a requester signs, outside the daemon, with a key the cosigners pin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from custody.evidence import fields
from custody.kernel.canonical import canonical_json, digest, digest_bytes
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput
from custody.kernel.money import MAX_UNITS

FORMAT: Final = 1
SEGREGATIONS: Final = ("segregated", "omnibus")


@dataclass(frozen=True, slots=True)
class WithdrawalRequest:
    """Pay ``amount`` base units of ``asset`` to ``destination`` out of ``client``'s money, fee at most ``max_fee``."""

    kind: ClassVar[str] = "withdrawal"

    requester: str
    client: str
    asset: str
    amount: int
    destination: str
    max_fee: int
    purpose: str
    not_after: datetime
    idempotency_key: str

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed; amounts are strings of base units."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "requester": self.requester,
            "client": self.client,
            "asset": self.asset,
            "amount": str(self.amount),
            "destination": self.destination,
            "max_fee": str(self.max_fee),
            "purpose": self.purpose,
            "not_after": rfc3339(self.not_after),
            "idempotency_key": self.idempotency_key,
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "request") -> WithdrawalRequest:
        """Read the signed object; only the canonical spelling of each field is accepted. Raises ``InvalidInput``."""
        keys = (
            *("format", "kind", "requester", "client", "asset", "amount", "destination"),
            *("max_fee", "purpose", "not_after", "idempotency_key"),
        )
        found = _header(value, keys, cls.kind, field)
        return cls(
            requester=fields.name(found["requester"], field=f"{field}.requester"),
            client=fields.name(found["client"], field=f"{field}.client"),
            asset=fields.name(found["asset"], field=f"{field}.asset"),
            amount=units(found["amount"], field=f"{field}.amount"),
            destination=fields.text(found["destination"], field=f"{field}.destination"),
            max_fee=units(found["max_fee"], field=f"{field}.max_fee"),
            purpose=fields.text(found["purpose"], field=f"{field}.purpose"),
            not_after=_canonical_time(found["not_after"], field=f"{field}.not_after"),
            idempotency_key=fields.name(found["idempotency_key"], field=f"{field}.idempotency_key"),
        )


@dataclass(frozen=True, slots=True)
class ClientOpeningRequest:
    """Open ``client``: from now on branch ``branch`` of ``keyset`` is its vault, or the pool it shares."""

    kind: ClassVar[str] = "client_opening"

    requester: str
    client: str
    name: str
    segregation: str
    keyset: str
    branch: int
    not_after: datetime
    idempotency_key: str

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "requester": self.requester,
            "client": self.client,
            "name": self.name,
            "segregation": self.segregation,
            "keyset": self.keyset,
            "branch": self.branch,
            "not_after": rfc3339(self.not_after),
            "idempotency_key": self.idempotency_key,
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "request") -> ClientOpeningRequest:
        """Read the signed object. Raises ``InvalidInput``."""
        keys = (
            *("format", "kind", "requester", "client", "name", "segregation", "keyset", "branch"),
            *("not_after", "idempotency_key"),
        )
        found = _header(value, keys, cls.kind, field)
        return cls(
            requester=fields.name(found["requester"], field=f"{field}.requester"),
            client=fields.name(found["client"], field=f"{field}.client"),
            name=fields.text(found["name"], field=f"{field}.name", limit=80),
            segregation=fields.one_of(found["segregation"], SEGREGATIONS, field=f"{field}.segregation"),
            keyset=fields.name(found["keyset"], field=f"{field}.keyset"),
            branch=fields.whole_number(found["branch"], field=f"{field}.branch"),
            not_after=_canonical_time(found["not_after"], field=f"{field}.not_after"),
            idempotency_key=fields.name(found["idempotency_key"], field=f"{field}.idempotency_key"),
        )


@dataclass(frozen=True, slots=True)
class RespendRequest:
    """Give up a withdrawal that may be signed already: use up what it would have spent, and pay nobody.

    ``of`` is the digest of the withdrawal's intent; ``asset`` and ``amount`` are the withdrawal's own.
    """

    kind: ClassVar[str] = "respend"

    requester: str
    client: str
    of: str
    asset: str
    amount: int
    max_fee: int
    purpose: str
    not_after: datetime
    idempotency_key: str

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed; amounts are strings of base units."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "requester": self.requester,
            "client": self.client,
            "of": self.of,
            "asset": self.asset,
            "amount": str(self.amount),
            "max_fee": str(self.max_fee),
            "purpose": self.purpose,
            "not_after": rfc3339(self.not_after),
            "idempotency_key": self.idempotency_key,
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "request") -> RespendRequest:
        """Read the signed object; only the canonical spelling of each field is accepted. Raises ``InvalidInput``."""
        keys = (
            *("format", "kind", "requester", "client", "of", "asset", "amount"),
            *("max_fee", "purpose", "not_after", "idempotency_key"),
        )
        found = _header(value, keys, cls.kind, field)
        return cls(
            requester=fields.name(found["requester"], field=f"{field}.requester"),
            client=fields.name(found["client"], field=f"{field}.client"),
            of=fields.hexadecimal(found["of"], field=f"{field}.of", length=32),
            asset=fields.name(found["asset"], field=f"{field}.asset"),
            amount=units(found["amount"], field=f"{field}.amount"),
            max_fee=units(found["max_fee"], field=f"{field}.max_fee"),
            purpose=fields.text(found["purpose"], field=f"{field}.purpose"),
            not_after=_canonical_time(found["not_after"], field=f"{field}.not_after"),
            idempotency_key=fields.name(found["idempotency_key"], field=f"{field}.idempotency_key"),
        )


@dataclass(frozen=True, slots=True)
class StrayReturnRequest:
    """Send on what came astray: to ``address`` of ``client``'s, on another chain than the address was made for.

    ``txid`` and ``position`` name what came, on the chain of ``asset``; no ledger ever held it.
    """

    kind: ClassVar[str] = "stray_return"

    requester: str
    client: str
    txid: str
    position: int
    address: str
    asset: str
    amount: int
    destination: str
    purpose: str
    not_after: datetime
    idempotency_key: str

    def to_json(self) -> dict[str, Any]:
        """The canonical object that is signed; the amount is a string of base units."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "requester": self.requester,
            "client": self.client,
            "txid": self.txid,
            "position": self.position,
            "address": self.address,
            "asset": self.asset,
            "amount": str(self.amount),
            "destination": self.destination,
            "purpose": self.purpose,
            "not_after": rfc3339(self.not_after),
            "idempotency_key": self.idempotency_key,
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "request") -> StrayReturnRequest:
        """Read the signed object; only the canonical spelling of each field is accepted. Raises ``InvalidInput``."""
        keys = (
            *("format", "kind", "requester", "client", "txid", "position", "address", "asset", "amount"),
            *("destination", "purpose", "not_after", "idempotency_key"),
        )
        found = _header(value, keys, cls.kind, field)
        return cls(
            requester=fields.name(found["requester"], field=f"{field}.requester"),
            client=fields.name(found["client"], field=f"{field}.client"),
            txid=fields.text(found["txid"], field=f"{field}.txid", limit=128),
            position=fields.whole_number(found["position"], field=f"{field}.position", high=2**63 - 1),
            address=fields.text(found["address"], field=f"{field}.address"),
            asset=fields.name(found["asset"], field=f"{field}.asset"),
            amount=units(found["amount"], field=f"{field}.amount"),
            destination=fields.text(found["destination"], field=f"{field}.destination"),
            purpose=fields.text(found["purpose"], field=f"{field}.purpose"),
            not_after=_canonical_time(found["not_after"], field=f"{field}.not_after"),
            idempotency_key=fields.name(found["idempotency_key"], field=f"{field}.idempotency_key"),
        )

    def stray(self, chain: str) -> str:
        """Hex digest that names what came, on ``chain``, whatever else this request says of it."""
        return digest("stray", {"chain": chain, "txid": self.txid, "position": self.position})


Request = WithdrawalRequest | ClientOpeningRequest | RespendRequest | StrayReturnRequest
_KINDS: Final[Mapping[str, type[Request]]] = {
    WithdrawalRequest.kind: WithdrawalRequest,
    ClientOpeningRequest.kind: ClientOpeningRequest,
    RespendRequest.kind: RespendRequest,
    StrayReturnRequest.kind: StrayReturnRequest,
}


def parse_request(value: object, *, field: str = "request") -> Request:
    """Read a request of any kind that exists. An unknown kind is refused by name."""
    kind = value.get("kind") if isinstance(value, dict) else None
    return _KINDS[fields.one_of(kind, tuple(_KINDS), field=f"{field}.kind")].parse(value, field=field)


def request_message(request: Request) -> bytes:
    """The 32 bytes a requester's Ed25519 key signs."""
    return digest_bytes("request", canonical_json(request.to_json()))


def units(value: object, *, field: str) -> int:
    """A string of base units greater than zero: ASCII digits, no sign, point, exponent or leading zero."""
    good = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78 and value[0] != "0"
    if not good:
        raise InvalidInput("not a string of digits greater than 0, in base units", field=field)
    number = int(str(value))
    if number > MAX_UNITS:
        raise InvalidInput("more than 78 digits", field=field)
    return number


def _header(value: object, keys: tuple[str, ...], kind: str, field: str) -> Any:
    found = fields.exact_object(value, keys, field=field)
    fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
    fields.one_of(found["kind"], (kind,), field=f"{field}.kind")
    return found


def _canonical_time(value: object, *, field: str) -> datetime:
    moment = parse_rfc3339(value, field=field)
    if rfc3339(moment) != value:
        raise InvalidInput("not in canonical form; accepted is YYYY-MM-DDThh:mm:ss.ffffffZ", field=field)
    return moment
