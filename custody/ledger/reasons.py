"""Why an entry may exist, and what each reason lets it move (I5). The database holds the same table and enforces it.

A posting is signed credit-positive: it *rises* when units > 0 and *falls* when units < 0. So a deposit makes
``onchain`` fall (an asset grows downwards) and ``available`` rise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class AccountKind(StrEnum):
    """What an account holds. Liabilities are >= 0, what is held or owed to the house is <= 0."""

    AVAILABLE = "available"
    HELD = "held"
    PLEDGED = "pledged"
    RECEIVABLE = "receivable"
    ONCHAIN = "onchain"
    SUSPENSE = "suspense"
    FEES = "fees"
    NETWORK_FEES = "network_fees"
    CAPITAL = "capital"

    @property
    def sign(self) -> int:
        """1 where the balance may not fall below zero, -1 where it may not rise above it."""
        return -1 if self in _DEBIT_NORMAL else 1


_DEBIT_NORMAL: Final = frozenset({AccountKind.RECEIVABLE, AccountKind.ONCHAIN, AccountKind.NETWORK_FEES})
CLIENT_KINDS: Final = frozenset({AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.PLEDGED, AccountKind.RECEIVABLE})
HOUSE_KINDS: Final = frozenset({AccountKind.FEES, AccountKind.NETWORK_FEES, AccountKind.CAPITAL})


class Reason(StrEnum):
    """The typed reason every entry carries."""

    DEPOSIT_CREDITED = "deposit_credited"
    DEPOSIT_DUST = "deposit_dust"
    DEPOSIT_QUARANTINED = "deposit_quarantined"
    DEPOSIT_UNATTRIBUTED = "deposit_unattributed"
    DEPOSIT_REVERSED = "deposit_reversed"
    SUSPENSE_RESOLVED = "suspense_resolved"
    SUSPENSE_RESTORED = "suspense_restored"
    SUSPENSE_REVERSED = "suspense_reversed"
    HOLD = "hold"
    HOLD_RELEASED = "hold_released"
    HOLD_RESTORED = "hold_restored"
    WITHDRAWAL_SETTLED = "withdrawal_settled"
    WITHDRAWAL_REVERSED = "withdrawal_reversed"
    INTERNAL_TRANSFER = "internal_transfer"
    PLEDGE = "pledge"
    PLEDGE_RELEASE = "pledge_release"
    RECEIVABLE_REPAID = "receivable_repaid"
    FEE_BILLED = "fee_billed"
    FEE_COLLECTED = "fee_collected"
    GAS_BILLED = "gas_billed"
    GAS_BILL_REVERSED = "gas_bill_reversed"
    NETWORK_FEE_PAID = "network_fee_paid"
    NETWORK_FEE_REVERSED = "network_fee_reversed"
    FOUND_ON_CHAIN = "found_on_chain"
    LOST_ON_CHAIN = "lost_on_chain"
    CAPITAL_ADDED = "capital_added"
    CAPITAL_REVERSED = "capital_reversed"
    CAPITAL_RETURNED = "capital_returned"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a reason permits."""

    falls: frozenset[AccountKind]
    """Kinds whose balance may fall (units < 0)."""
    rises: frozenset[AccountKind]
    """Kinds whose balance may rise (units > 0)."""
    one_client: bool = True
    """False only where value may pass between clients."""
    authority: bool = False
    """True where every owner of a falling liability must name who authorised it."""


def _rule(falls: str, rises: str, *, one_client: bool = True, authority: bool = False) -> Rule:
    return Rule(_kinds(falls), _kinds(rises), one_client, authority)


def _kinds(names: str) -> frozenset[AccountKind]:
    return frozenset(AccountKind(name) for name in names.split())


RULES: Final[Mapping[Reason, Rule]] = MappingProxyType(
    {
        Reason.DEPOSIT_CREDITED: _rule("onchain", "available receivable"),
        Reason.DEPOSIT_DUST: _rule("onchain", "suspense"),
        Reason.DEPOSIT_QUARANTINED: _rule("onchain", "suspense"),
        Reason.DEPOSIT_UNATTRIBUTED: _rule("onchain", "suspense"),
        Reason.DEPOSIT_REVERSED: _rule("available receivable", "onchain"),
        Reason.SUSPENSE_RESOLVED: _rule("suspense", "available", authority=True),
        Reason.SUSPENSE_RESTORED: _rule("available", "suspense", authority=True),
        Reason.SUSPENSE_REVERSED: _rule("suspense", "onchain"),
        Reason.HOLD: _rule("available", "held"),
        Reason.HOLD_RELEASED: _rule("held", "available"),
        Reason.HOLD_RESTORED: _rule("available receivable", "held"),
        Reason.WITHDRAWAL_SETTLED: _rule("held available receivable", "onchain available"),
        Reason.WITHDRAWAL_REVERSED: _rule("onchain", "held"),
        Reason.INTERNAL_TRANSFER: _rule("available", "available", one_client=False, authority=True),
        Reason.PLEDGE: _rule("available", "pledged", authority=True),
        Reason.PLEDGE_RELEASE: _rule("pledged", "available", authority=True),
        Reason.RECEIVABLE_REPAID: _rule("available", "receivable", authority=True),
        Reason.FEE_BILLED: _rule("available", "fees", authority=True),
        Reason.FEE_COLLECTED: _rule("fees", "onchain", authority=True),
        Reason.GAS_BILLED: _rule("receivable", "network_fees"),
        Reason.GAS_BILL_REVERSED: _rule("network_fees", "receivable"),
        Reason.NETWORK_FEE_PAID: _rule("network_fees", "onchain"),
        Reason.NETWORK_FEE_REVERSED: _rule("onchain", "network_fees"),
        Reason.FOUND_ON_CHAIN: _rule("onchain", "suspense"),
        Reason.LOST_ON_CHAIN: _rule("suspense", "onchain", authority=True),
        Reason.CAPITAL_ADDED: _rule("onchain", "capital"),
        Reason.CAPITAL_REVERSED: _rule("capital", "onchain"),
        Reason.CAPITAL_RETURNED: _rule("capital", "onchain", authority=True),
    }
)
