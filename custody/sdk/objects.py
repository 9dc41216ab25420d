"""What the API shows, as values. A word that is new to this release (a ``status``, a ``reason_code``) is kept as it is.

``raw`` is everything the house said, also what this release has no name for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: in whole units as a decimal string, and in base units as a number that is exact."""

    decimal: str
    base_units: int

    @classmethod
    def of(cls, found: Mapping[str, str]) -> Self:
        """Read ``{decimal, base_units}``."""
        return cls(found["decimal"], int(found["base_units"]))

    def __str__(self) -> str:
        return self.decimal


@dataclass(frozen=True, slots=True)
class AssetName:
    """CAIP-19 id and short code."""

    id: str
    code: str

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read an asset."""
        return cls(str(found["id"]), str(found["code"]))


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the opening of a client stands: ``state`` is ``approved`` once it is the client's vault."""

    client: str
    state: str
    digest: str
    code: str
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read an opening."""
        client, state, digest, code = (str(found[name]) for name in ("client", "state", "digest", "code"))
        return cls(client, state, digest, code, found)


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """One client: who it is and whether it may act."""

    id: str
    name: str
    segregation: str
    status: str
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read a client."""
        name, called, segregation, status = (str(found[part]) for part in ("id", "name", "segregation", "status"))
        return cls(name, called, segregation, status, found)


@dataclass(frozen=True, slots=True)
class DepositAddress:
    """An address of a client's, derived again from the pinned trust root before you see it."""

    address: str
    client: str
    vault: str
    index: int
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read an address; nothing of it is proved yet."""
        return cls(str(found["address"]), str(found["client"]), str(found["vault"]), int(found["index"]), raw=found)


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset of one client. ``total`` is ``available`` + ``held`` + ``pledged``."""

    asset: AssetName
    total: Money
    available: Money
    held: Money
    pledged: Money
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read a balance."""
        total, available, held, pledged = (Money.of(found[name]) for name in ("total", "available", "held", "pledged"))
        return cls(AssetName.of(found["asset"]), total, available, held, pledged, found)


@dataclass(frozen=True, slots=True)
class Deposit:
    """What came in: ``status`` is ``credited`` once the client can use it."""

    id: str
    client: str
    asset: AssetName
    amount: Money
    status: str
    txid: str
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read a deposit."""
        return cls(
            id=str(found["id"]),
            client=str(found["client"]),
            asset=AssetName.of(found["asset"]),
            amount=Money.of(found["amount"]),
            status=str(found["status"]),
            txid=str(found["txid"]),
            raw=found,
        )


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One payment: what, whose, where it stands, why, and who must act next."""

    id: str
    client: str
    asset: AssetName
    amount: Money
    destination: str
    status: str
    reason: str | None
    next_actor: str
    intent_digest: str
    digest_code: str
    txid: str | None
    reference: str | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read a withdrawal."""
        return cls(
            id=str(found["id"]),
            client=str(found["client"]),
            asset=AssetName.of(found["asset"]),
            amount=Money.of(found["amount"]),
            destination=str(found["destination"]),
            status=str(found["status"]),
            reason=found.get("reason"),
            next_actor=str(found["next_actor"]),
            intent_digest=str(found["intent_digest"]),
            digest_code=str(found["digest_code"]),
            txid=found.get("txid"),
            reference=found.get("reference"),
            raw=found,
        )

    @property
    def is_final(self) -> bool:
        """Whether nothing more will become of it, as far as this release knows."""
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Event:
    """One change, as the feed and webhooks tell it. ``version`` counts the changes of its object from 1.

    Drop what is not newer than the version you have of that ``kind`` and ``subject``.
    """

    id: str
    type: str
    kind: str
    subject: str
    version: int
    client: str | None
    cursor: int
    data: Mapping[str, Any]
    """The object as the API shows it, at that version; empty where the endpoint asked for thin events."""
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read an event."""
        about = found["object"]
        return cls(
            id=str(found["id"]),
            type=str(found["type"]),
            kind=str(about["kind"]),
            subject=str(about["id"]),
            version=int(about["version"]),
            client=found.get("client"),
            cursor=int(found["cursor"]),
            data=found.get("data", {}),
            raw=found,
        )


FINAL: Final = frozenset({"completed", "denied", "rejected", "expired", "cancelled", "failed"})
"""States a withdrawal ends in; a reorg takes ``completed`` back, and tells so."""
