"""What the house asks of any chain about money on its way out: plain values and Protocols. No node, nothing stored.

Amounts are ``units``: integers in the base unit of the order's asset; a fee is in the chain's own asset. ``weight`` is
what the chain measures a fee by (virtual bytes, gas), ``fee_rate`` a price of it, both in the chain's own unit. A
*claim* is a text that names what one spend alone can use up: whoever reserves it holds the only right to spend it,
and two attempts that share one cannot both confirm. A *spend* is the id an attempt has from the moment it is
composed, by which the chain's movements name what took them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from custody.evidence.keysets import Keyset
from custody.kernel.errors import Broken, Refused


class NothingFree(Refused):
    """What is free and confirmed does not cover the payment and its fee; ``facts`` say how much there is and is needed.

    More may be on its way: the order can be planned again later.
    """

    code = "insufficient-coins"


class TurnTaken(NothingFree):
    """What covers the payment has a turn before it that is not over; ``facts`` name the claim it waits for."""

    code = "turn-taken"


class WouldFail(Refused):
    """The chain would not carry the payment out as things are: the asset or the payee refuses it. Nothing is signed."""

    code = "payment-would-fail"


class CannotReplace(Refused):
    """No replacement of these attempts pays more, stays under the ceiling and can be funded; ``facts`` say why."""

    code = "cannot-bump"


class FeeOverCap(Refused):
    """The fee is above a cap, or is no fee at all; ``facts`` name the cap, its limit and the fee."""

    code = "fee-over-cap"


class AnswerRefused(Refused):
    """A cosigner's answer is not a signature over what we asked for; ``facts["reason"]`` is one stable word for why."""

    code = "signature-refused"


class SpendMismatch(Broken):
    """Two independent computations of one attempt's id differ: nothing was composed."""

    code = "spend-mismatch"


class Finality(StrEnum):
    """When a block counts for good."""

    DEPTH = "depth"
    """With enough blocks on top of it."""
    FINALIZED = "finalized"
    """When the network says so, whatever the depth."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid: one payment out of one vault, the network fee at most ``ceiling_units``."""

    withdrawal: str
    vault: str
    chain: str
    asset: str
    locator: bytes
    """Whom it pays, as the chain itself calls an address."""
    units: int
    ceiling_units: int
    pays_nobody: bool = False
    """What the attempts before it would have used up is used up, and nobody is paid: what was asked is given up."""
    leaves_nothing: bool = False
    """Whether what would come back in a coin of its own is left to the fee, where that stays below the ceiling."""


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin of the vault, where it sits there, and the block it is in."""

    txid: str
    position: int
    units: int
    change: bool
    index: int
    block_hash: str

    @property
    def claim(self) -> str:
        """``txid:position``."""
        return f"{self.txid}:{self.position}"

    def to_json(self) -> dict[str, Any]:
        """As an attempt stores it; the amount as text."""
        return {
            "claim": self.claim,
            "txid": self.txid,
            "position": self.position,
            "units": str(self.units),
            "change": self.change,
            "index": self.index,
            "block_hash": self.block_hash,
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of an account of the vault, on a chain without coins: what it sends under one number, once."""

    account: str
    """The account's address."""
    number: int
    client: str | None
    index: int

    @property
    def claim(self) -> str:
        """``account#number``."""
        return f"{self.account}#{self.number}"

    def to_json(self) -> dict[str, Any]:
        """As an attempt stores it."""
        return {
            "claim": self.claim,
            "account": self.account,
            "number": self.number,
            "client": self.client,
            "index": self.index,
        }


Input = Coin | Turn
"""What an attempt uses up, with its place in the vault."""


def read_input(value: Mapping[str, Any]) -> Input:
    """Read what an input's ``to_json`` wrote."""
    if "txid" in value:
        return Coin(
            txid=value["txid"],
            position=value["position"],
            units=int(value["units"]),
            change=value["change"],
            index=value["index"],
            block_hash=value["block_hash"],
        )
    return Turn(account=value["account"], number=value["number"], client=value["client"], index=value["index"])


@dataclass(frozen=True, slots=True)
class Account:
    """A place of the vault that holds balances, on a chain without coins."""

    locator: bytes
    address: str
    index: int
    client: str | None
    """Whose it is, where an address is made for one client."""
    units: int
    """Of the order's asset."""
    native_units: int
    """Of the chain's own asset."""
    next_turn: int
    """The number its next turn has."""
    busy: bool
    """Whether a turn before it waits to be signed or carried out."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An attempt of the same order before this one, as a replacement sees it. ``weight`` is final once it is signed."""

    spend: str
    inputs: tuple[Input, ...]
    fee_units: int
    weight: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """What an order may spend, read in one unit: what is free, and the attempts before this one.

    A chain has either ``coins`` or ``accounts``. The vault is ``branch`` of ``keyset``.
    """

    order: Order
    coins: tuple[Coin, ...]
    earlier: tuple[Earlier, ...]
    keyset: Keyset
    branch: int
    accounts: tuple[Account, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What one payment can take out of a vault so that nothing of what it uses up is left there."""

    units: int
    """That arrive."""
    fee_units: int
    """The fee it needs now, in the chain's own asset; where the vault bears it, it is all the rest."""
    takes: frozenset[str]
    """What it uses up: ``txid:position`` of coins, or the address of an account."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How a vault can be emptied: one payment each, the most first, and what is not worth its fee."""

    shares: tuple[Share, ...]
    left_units: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to use up for an order, and all that composing it needs from a node. Nothing is reserved yet."""

    order: Order
    inputs: tuple[Input, ...]
    change_units: int | None
    """What comes back to the vault in a coin of its own; None for no such coin."""
    weight: int
    """Expected of the final transaction, from above."""
    proofs: Mapping[str, bytes] = field(default_factory=dict)
    """What inputs are proved with, by their transaction's id."""

    @property
    def claims(self) -> tuple[str, ...]:
        """What must be reserved before this plan is composed."""
        return tuple(item.claim for item in self.inputs)

    @property
    def brings_change(self) -> bool:
        """Whether a change address is needed to compose it."""
        return self.change_units is not None


@dataclass(frozen=True, slots=True)
class Composed:
    """An unsigned attempt: what cosigners are shown, and the id it will be known by on the chain."""

    unsigned: str
    spend: str
    fee_units: int
    weight: int


@dataclass(frozen=True, slots=True)
class Final:
    """A signed attempt, ready to be sent."""

    raw: bytes
    spend: str
    weight: int


@dataclass(frozen=True, slots=True)
class Payment:
    """One thing an attempt pays, the vault's own change included."""

    address: str
    locator: bytes
    units: int
    asset: str
    """CAIP-19 id, as the bytes say it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an attempt does, read from its own bytes and nothing else."""

    spend: str
    claims: frozenset[str]
    payments: tuple[Payment, ...]
    fee_units: int


@dataclass(frozen=True, slots=True)
class FeeRateWords:
    """How people name a fee rate on this chain: a field of requests, the words beside the number, and its bounds."""

    field: str
    words: str
    highest: int
    scale: int
    """What one of it is in the chain's own unit."""


class Terms(Protocol):
    """What one chain's configuration says of fees: how they are chosen, which only its own planning reads, and caps."""

    def check_fee(self, *, fee_units: int, weight: int, paid_units: int | None, ceiling_units: int | None) -> None:
        """Pass only a fee under every cap (I16); the ceiling is the requester's. ``paid_units`` is ``None`` where the
        payment is in another asset than the fee: then it has no share. Raises ``FeeOverCap``.
        """


@dataclass(frozen=True, slots=True)
class SpendRules:
    """One chain's terms for spending, as configured."""

    terms: Terms
    coinbase_maturity: int
    tiers: tuple[tuple[int | None, int], ...]
    """(below this amount, confirmations) of the chain's own asset; None is the last tier."""
    bundle_lifetime: timedelta = timedelta(hours=24)
    stock_low_mark: int = 5
    """Change addresses left in stock below which more are asked for."""
    reorg_horizon: int = 144
    """Blocks for which a confirmed payment is still watched for being reorganised away."""
    finality: Finality = Finality.DEPTH
    """With ``FINALIZED`` a payment is final when its block is, at whatever depth."""
    asset_tiers: Mapping[str, tuple[tuple[int | None, int], ...]] = field(default_factory=dict)
    """The tiers of other assets, by CAIP-19 id."""

    def required_depth(self, units: int, *, asset: str | None = None) -> int:
        """Confirmations before a payment of this amount is final for us; without an asset, of the chain's own."""
        tiers = self.asset_tiers.get(asset or "", self.tiers)
        return next(depth for below, depth in tiers if below is None or units < below)


class Spending(Protocol):
    """What a chain says of spends without a node. Implementations keep nothing and may be shared."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""

    @property
    def fees_from_vault(self) -> bool:
        """Whether the vault that pays bears the network fee too. Elsewhere the fee is somebody else's."""

    @property
    def can_be_left(self) -> bool:
        """Whether a signed spend may be carried out by anybody, or by nobody for ever.

        Then giving it up takes another spend of the same claim, and a replacement is not another spend: what was signed
        stays as it is, and whoever carries it out pays more.
        """

    @property
    def fee_rate(self) -> FeeRateWords:
        """How people name a fee rate."""

    def for_vaults_of(self, chain: str) -> Spending:
        """The same of places made for another chain's vaults, which may hold something here all the same.

        Raises ``InvalidInput`` where no place of that chain is one here.
        """

    def terms(self, block: Mapping[str, Any]) -> Terms:
        """The chain's block of the configuration as terms."""

    def compose(self, plan: Plan, *, keyset: Keyset, branch: int, change_index: int | None) -> Composed:
        """The unsigned attempt; equal values give equal bytes. Raises ``InvalidInput`` where the plan contradicts
        itself or is of another vault, and ``SpendMismatch``.
        """

    def read_answer(
        self, answer: object, *, unsigned: str, inputs: Sequence[Input], keyset: Keyset, branch: int, cosigner: str
    ) -> dict[str, str]:
        """What one cosigner's answer adds, verified over **our** attempt with the keys **we** derive.

        Raises ``AnswerRefused``, and ``InvalidInput`` for what is no answer at all.
        """

    def finalise(
        self,
        signatures: Mapping[str, Mapping[str, str]],
        *,
        unsigned: str,
        inputs: Sequence[Input],
        keyset: Keyset,
        branch: int,
    ) -> Final:
        """The signed attempt out of a quorum's answers, as ``read_answer`` gave them, by cosigner.

        Raises ``Refused`` without a quorum, and ``AnswerRefused`` as reading did.
        """

    def read_final(self, raw: bytes) -> Final:
        """A signed attempt's id and weight, from its bytes. Raises ``InvalidInput``."""

    def payments_of(self, unsigned: str) -> Effect:
        """What an attempt does. Raises ``InvalidInput`` for what cannot be read."""

    def is_signed(self, unsigned: str, raw: bytes) -> bool:
        """Whether ``raw`` is the unsigned attempt with signatures and nothing else. Raises ``InvalidInput``."""


def leaving(spending: Spending, *, units: int, fee_units: int) -> int:
    """What a payment takes out of its vault, and so out of its client's books."""
    return units + fee_units if spending.fees_from_vault else units
