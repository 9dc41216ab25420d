"""Requests that move money, or bind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from custody.evidence.places import VaultName
from custody.evidence.requests.shape import (
    DIGEST,
    NAME,
    TEXT,
    UNITS,
    VAULT,
    Spelled,
    Spelling,
    reasoned,
    text_of,
    whole,
)
from custody.kernel.canonical import digest


@dataclass(frozen=True, slots=True)
class WithdrawalRequest(Spelled):
    """Pay ``amount`` base units of ``asset`` to ``destination`` out of ``client``'s money, fee at most ``max_fee``."""

    kind: ClassVar[str] = "withdrawal"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME, asset=NAME, amount=UNITS, destination=TEXT, max_fee=UNITS
    )

    requester: str
    client: str
    asset: str
    amount: int
    destination: str
    max_fee: int
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class RespendRequest(Spelled):
    """Give up a withdrawal that may be signed already: use up what it would have spent, and pay nobody.

    ``of`` is the digest of the withdrawal's intent; ``asset`` and ``amount`` are the withdrawal's own.
    """

    kind: ClassVar[str] = "respend"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME, of=DIGEST, asset=NAME, amount=UNITS, max_fee=UNITS
    )

    requester: str
    client: str
    of: str
    asset: str
    amount: int
    max_fee: int
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class StrayReturnRequest(Spelled):
    """Send on what came astray: to ``address`` of ``client``'s, on another chain than the address was made for.

    ``txid`` and ``position`` name what came, on the chain of ``asset``; no ledger ever held it.
    """

    kind: ClassVar[str] = "stray_return"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME,
        txid=text_of(128),
        position=whole(),
        address=TEXT,
        asset=NAME,
        amount=UNITS,
        destination=TEXT,
    )

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

    def stray(self, chain: str) -> str:
        """Hex digest that names what came, on ``chain``, whatever else this request says of it."""
        return digest("stray", {"chain": chain, "txid": self.txid, "position": self.position})


@dataclass(frozen=True, slots=True)
class SweepRequest(Spelled):
    """Move ``amount`` of ``client``'s money out of its vault ``out_of``, to ``destination`` of its vault ``to``.

    ``index`` is the place of that address in the vault, so that whoever signs derives it again.
    Nobody is paid: both vaults are the same client's, by openings of its own.
    """

    kind: ClassVar[str] = "sweep"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME, asset=NAME, amount=UNITS, out_of=VAULT, to=VAULT, index=whole(), destination=TEXT, max_fee=UNITS
    )

    requester: str
    client: str
    asset: str
    amount: int
    out_of: VaultName
    to: VaultName
    index: int
    destination: str
    max_fee: int
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class ManualEntryRequest(Spelled):
    """Post ``amount`` of ``asset`` from the account ``debit`` to the account ``credit``, for a reason people agreed to.

    Accounts are written as the ledger shows them. ``client`` is whose money it is, ``house`` where it is nobody's.
    """

    kind: ClassVar[str] = "manual_entry"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME, asset=NAME, amount=UNITS, debit=NAME, credit=NAME
    )

    requester: str
    client: str
    asset: str
    amount: int
    debit: str
    credit: str
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class PledgeRequest(Spelled):
    """Lock ``amount`` of ``client``'s money as collateral for one ``position`` at one ``secured_party``."""

    kind: ClassVar[str] = "pledge"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME, asset=NAME, amount=UNITS, secured_party=NAME, position=NAME
    )

    requester: str
    client: str
    asset: str
    amount: int
    secured_party: str
    position: str
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class PledgeReleaseRequest(Spelled):
    """Give ``amount`` of the pledge ``pledge`` back to its client's free money."""

    kind: ClassVar[str] = "pledge_release"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME, asset=NAME, amount=UNITS, pledge=NAME, secured_party=NAME
    )

    requester: str
    client: str
    asset: str
    amount: int
    pledge: str
    secured_party: str
    purpose: str
    not_after: datetime
    idempotency_key: str
