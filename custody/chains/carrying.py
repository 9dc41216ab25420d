"""What the house asks of a chain where signed spends are carried by somebody else: plain values and two Protocols.

A *payer* is an account of the house that pays the fee of spends it has no authority over. A *carriage* is one
transaction of the payer that carries one or several signed spends; it has the payer's next *number*, and of all
transactions with one number the chain takes one. Amounts are in the base unit of the chain's own asset; ``weight`` is
what the chain measures a fee by, ``rate`` a price of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from custody.chains.port import Broadcaster, ChainReader
from custody.kernel.errors import Broken


class CarriageMismatch(Broken):
    """What was signed does not read back as what was asked: nothing is stored and nothing sent."""

    code = "carriage-mismatch"


@dataclass(frozen=True, slots=True)
class Bid:
    """What a carriage offers to be included."""

    rate: int
    """The most that is paid for one unit of weight, ``tip`` included."""
    tip: int
    """What of it goes to whoever includes it."""


@dataclass(frozen=True, slots=True)
class Market:
    """What the chain asks now."""

    base: int
    """Per unit of weight, from everybody, in the next block."""
    tip: int
    """What others add."""

    @property
    def likely(self) -> int:
        """What a unit of weight costs soon: the base can double until then."""
        return 2 * self.base + self.tip


@dataclass(frozen=True, slots=True)
class Carriage:
    """A transaction of the payer, before it is signed. It moves no value of the payer's but its fee."""

    chain: str
    number: int
    to: str
    data: bytes
    weight_limit: int
    bid: Bid


@dataclass(frozen=True, slots=True)
class SignedCarriage:
    """The bytes to send, and the id the chain will know them by."""

    raw: bytes
    txid: str


@dataclass(frozen=True, slots=True)
class PayerKey:
    """The payer's account, and the one thing its secret does. Has the secret in no field, and never shows any."""

    account: str
    """The address, as the chain writes it."""
    locator: bytes
    sign: Callable[[Carriage], SignedCarriage] = field(repr=False, compare=False)
    """Signs a carriage and nothing else; reads back what it signed. Raises ``CarriageMismatch``, ``InvalidInput``."""


class Readiness(StrEnum):
    """Where a signed spend stands on the chain."""

    READY = "ready"
    FIRST = "first"
    """Ready, and its place has to be made in the same transaction."""
    EARLY = "early"
    """A spend before it has not ended yet."""
    FAILING = "failing"
    """Carried now it would fail."""
    ENDED = "ended"
    """Its turn is used up, by itself or by another."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """A signed spend as the chain stood when it was asked."""

    spend: str
    readiness: Readiness
    weight: int = 0
    """Of carrying it alone, as the node tried it; 0 where it cannot be carried now."""
    reason: str = ""
    """The node's word for why it would fail."""

    @property
    def can_go(self) -> bool:
        """Whether it may be carried now."""
        return self.readiness in (Readiness.READY, Readiness.FIRST)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a carriage does, before it has a number and a bid."""

    to: str
    data: bytes
    weight_limit: int
    weights: Mapping[str, int]
    """Each spend's part in what carrying all costs, by spend; empty where it carries none."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the chain says of the payer."""

    used: int
    """Numbers below this are used up."""
    promised: int
    """Numbers below this are used up, or wait at the node."""
    units: int
    """What the payer has."""


@dataclass(frozen=True, slots=True)
class PayerRules:
    """One chain's terms for carrying, as configured."""

    rate_cap: int
    """The most that is ever bid for a unit of weight."""
    tip_cap: int
    """The most of it that is added for whoever includes it, but for what a replacement must add."""
    low_units: int
    """Below it the payer is low, and somebody is told."""
    required_depth: int
    """Confirmations before a carriage is settled."""
    raise_after: timedelta = timedelta(minutes=3)
    """How long a carriage waits for a block before it is replaced by one that bids more."""
    tip_floor: int = 0
    """The least of it: a market that asks for none may not be believed."""
    base_factor_bps: int = 20_000
    """What is bid of the next block's base fee, in ten-thousandths: it can rise while the carriage waits."""
    bump_bps: int = 1_000
    """By how much a replacement bids more, on both parts; nodes take none below a tenth."""
    most_tries: int = 3
    """Carriages of one spend that did not carry it out, before a person looks."""
    most_together: int = 10
    """Spends in one carriage; 1 for each alone."""
    weight_cap: int = 5_000_000
    """The most one carriage of several may weigh."""
    fees_billed: bool = False
    """Whether a client owes what carrying its payment cost, up to what it agreed to."""


class Payer(Protocol):
    """What a chain says of payers without a node."""

    def rules(self, block: Mapping[str, Any], *, required_depth: int) -> PayerRules:
        """The chain's block of the configuration as terms for carrying."""

    def open_key(self, text: str) -> PayerKey:
        """The key out of the text it is kept as. Raises ``InvalidInput``, which repeats none of it."""

    def draft(self, loads: Sequence[tuple[bytes, Prospect]]) -> Draft:
        """One carriage of these signed spends; several only where all are ``READY``, each able to fail alone.

        Raises ``InvalidInput``.
        """

    def idle(self, account: str) -> Draft:
        """A carriage that carries nothing: it uses its number up."""

    def claim(self, final: bytes) -> str:
        """What a signed spend uses up: of two with the same, one can be carried out. Raises ``InvalidInput``."""

    def paid_units(self, final: bytes) -> int | None:
        """What the signed spend pays in the chain's own asset, ``None`` where it pays none of it."""


class CarrierNode(ChainReader, Broadcaster, Protocol):
    """A node of a chain where spends are carried."""

    def standing(self, account: str) -> Standing:
        """What the chain says of the payer now. Raises ``NodeUnavailable``."""

    def examine(self, finals: Iterable[bytes], *, account: str) -> list[Prospect]:
        """Each signed spend as it stands now, in the order asked; those that can go were tried, each alone.

        Raises ``NodeUnavailable``.
        """

    def market(self) -> Market:
        """What the next block asks. Raises ``NodeUnavailable``."""

    def held_at(self, locator: bytes, *, height: int) -> int:
        """What a place holds of the chain's own asset at a height. Raises ``NodeRefused`` where the node forgot."""
