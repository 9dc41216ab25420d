"""What a transaction that pays somebody costs: the values of coin selection and the arithmetic on them. Pure.

Amounts are satoshi, rates satoshi per 1000 virtual bytes, sizes virtual bytes (BIP-141) estimated from above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from custody.chains.bitcoin.offline.address import dust_limit_sat
from custody.chains.bitcoin.offline.fees import FeeCaps, check_fee
from custody.chains.bitcoin.offline.transaction import estimate_vsize

LONG_TERM_RATE_SAT_KVB: Final = 10_000
"""What spending change later is assumed to cost at most: that payment can wait for a quiet day."""

INCREMENTAL_RELAY_SAT_KVB: Final = 1_000
"""What a replacement pays above what it replaces, per its own size (BIP-125 rule 4)."""


@dataclass(frozen=True, slots=True, order=True)
class Coin:
    """One output of the vault that could be spent. Only ``confirmed`` ones ever are."""

    txid: str
    vout: int
    amount_sat: int
    confirmed: bool = True

    @property
    def outpoint(self) -> tuple[str, int]:
        """What names it on the chain."""
        return self.txid, self.vout


class Payment(NamedTuple):
    """One output somebody is paid with."""

    script_pubkey: bytes
    amount_sat: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """An earlier transaction of the same payment. ``vsize`` is the final one once it is signed."""

    inputs: tuple[Coin, ...]
    payments: tuple[Payment, ...]
    fee_sat: int
    vsize: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What to compose: inputs in this order, the payments as they were given, then change unless ``None``."""

    inputs: tuple[Coin, ...]
    change_sat: int | None
    fee_sat: int
    vsize: int


@dataclass(frozen=True, slots=True)
class SpendPlan:
    """One payment's fixed terms and the arithmetic on them."""

    payments: tuple[Payment, ...]
    rate_sat_kvb: int
    threshold: int
    members: int
    change_script: bytes
    caps: FeeCaps
    ceiling_sat: int | None
    replaced: tuple[Attempt, ...]
    descendant_fees_sat: int
    paid_sat: int
    input_vsize: int
    is_bare: bool = False
    """Whether change is only made where the fee would pass a cap without."""

    def vsize(self, inputs: int, *, change: bool) -> int:
        """Virtual bytes with so many inputs, the payments, and change or none."""
        scripts = [payment.script_pubkey for payment in self.payments]
        if change:
            scripts.append(self.change_script)
        return estimate_vsize(inputs=inputs, threshold=self.threshold, members=self.members, output_scripts=scripts)

    def fee_sat(self, vsize: int) -> int:
        """The least fee for this size: the rate's, and above everything it replaces."""
        fees = [fee_at(self.rate_sat_kvb, vsize)]
        for rival in self.replaced:
            fees.append(rival.fee_sat + self.descendant_fees_sat + fee_at(INCREMENTAL_RELAY_SAT_KVB, vsize))
            fees.append(rival.fee_sat * vsize // rival.vsize + 1)
        return max(fees)

    def need_sat(self, inputs: int, *, change: bool = False) -> int:
        """What so many inputs must be worth together."""
        least_change = dust_limit_sat(self.change_script) if change else 0
        return self.paid_sat + self.fee_sat(self.vsize(inputs, change=change)) + least_change

    @property
    def input_cost_sat(self) -> int:
        """What one more input adds to the fee; a coin worth no more is not worth spending."""
        return fee_at(self.rate_sat_kvb, self.input_vsize)

    @property
    def upkeep_sat(self) -> int:
        """What spending the change later will cost."""
        return fee_at(min(self.rate_sat_kvb, LONG_TERM_RATE_SAT_KVB), self.input_vsize)

    def economic(self, coins: Iterable[Coin], *, besides: Sequence[Coin]) -> list[Coin]:
        """Confirmed coins worth more than their input costs, each once, the largest first."""
        taken = {coin.outpoint for coin in besides}
        worth = (coin for coin in coins if coin.confirmed and coin.amount_sat > self.input_cost_sat)
        free = [coin for coin in distinct(worth) if coin.outpoint not in taken]
        return sorted(free, key=lambda coin: (-coin.amount_sat, coin.outpoint))

    def arrangements(self, inputs: tuple[Coin, ...]) -> Iterator[Selection]:
        """These inputs with change and without, the better way first; nothing when they do not suffice."""
        bare, changed = self._arranged(inputs, change=False), self._arranged(inputs, change=True)
        worthwhile = changed is not None and not self.is_bare and (changed.change_sat or 0) > self.upkeep_sat
        for selection in (changed, bare) if worthwhile else (bare, changed):
            if selection is not None:
                yield selection

    def _arranged(self, inputs: tuple[Coin, ...], *, change: bool) -> Selection | None:
        left_sat = total_sat(inputs) - self.paid_sat
        vsize = self.vsize(len(inputs), change=change)
        if total_sat(inputs) < self.need_sat(len(inputs), change=change):
            return None
        if not change:
            return Selection(inputs, None, left_sat, vsize)
        return Selection(inputs, left_sat - self.fee_sat(vsize), self.fee_sat(vsize), vsize)

    def check(self, selection: Selection) -> None:
        """Raise ``FeeOverCap`` unless the fee stays under every cap, also when the signatures come out shorter."""
        assured_vsize = selection.vsize * 19 // 20
        check_fee(
            fee_sat=selection.fee_sat,
            vsize=assured_vsize,
            paid_sat=self.paid_sat,
            caps=self.caps,
            ceiling_sat=self.ceiling_sat,
        )

    def cost(self, selection: Selection) -> tuple[int, int, int, tuple[tuple[str, int], ...]]:
        """What a selection costs now and later; ties go to fewer inputs, to less value locked, to lower outpoints."""
        later_sat = 0 if selection.change_sat is None else self.upkeep_sat
        inputs = selection.inputs
        return (
            selection.fee_sat + later_sat,
            len(inputs),
            total_sat(inputs),
            tuple(coin.outpoint for coin in inputs),
        )


def plan_spend(
    payments: Sequence[tuple[bytes, int]],
    fee_rate_sat_kvb: int,
    threshold: int,
    members: int,
    change_script: bytes,
    caps: FeeCaps,
    ceiling_sat: int | None,
    *,
    replaced: tuple[Attempt, ...] = (),
    descendant_fees_sat: int = 0,
    is_bare: bool = False,
) -> SpendPlan:
    """The plan for these terms. Raises ``ValueError`` when nobody is paid, nothing, or at no rate."""
    if not payments or any(amount_sat <= 0 for _, amount_sat in payments):
        raise ValueError("a selection pays somebody, and more than nothing")
    if fee_rate_sat_kvb <= 0:
        raise ValueError("a fee rate is above 0")
    return SpendPlan(
        payments=tuple(Payment(*payment) for payment in payments),
        rate_sat_kvb=fee_rate_sat_kvb,
        threshold=threshold,
        members=members,
        change_script=change_script,
        caps=caps,
        ceiling_sat=ceiling_sat,
        replaced=replaced,
        descendant_fees_sat=descendant_fees_sat,
        paid_sat=sum(amount_sat for _, amount_sat in payments),
        input_vsize=_input_vsize(threshold, members),
        is_bare=is_bare,
    )


def _input_vsize(threshold: int, members: int) -> int:
    """One more input's size, rounded up. Four inputs apart, rounding cancels: the difference is its weight."""
    one, five = (
        estimate_vsize(inputs=count, threshold=threshold, members=members, output_scripts=[]) for count in (1, 5)
    )
    return -(-(five - one) // 4)


def distinct(coins: Iterable[Coin]) -> list[Coin]:
    """Each outpoint once, in the order first seen."""
    return list({coin.outpoint: coin for coin in coins}.values())


def total_sat(coins: Iterable[Coin]) -> int:
    """What they are worth together."""
    return sum(coin.amount_sat for coin in coins)


def fee_at(rate_sat_kvb: int, vsize: int) -> int:
    """The fee of ``vsize`` virtual bytes, rounded up, so that the rate is never undercut."""
    return -(-rate_sat_kvb * vsize // 1000)
