"""The checks of a reconciliation: one file each, a function from a snapshot to the breaks it sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from custody.reconciliation.checks.assets_answer import assets_answer
from custody.reconciliation.checks.every_unit_is_somebodys import every_unit_is_somebodys
from custody.reconciliation.checks.holdings_are_the_nodes import holdings_are_the_nodes
from custody.reconciliation.checks.ledger_is_the_chain import ledger_is_the_chain
from custody.reconciliation.checks.movements_are_the_coins import movements_are_the_coins
from custody.reconciliation.checks.trial_balances import trial_balances
from custody.reconciliation.model import Break, Snapshot

Check = Callable[[Snapshot], list[Break]]

CHECKS: Final[tuple[Check, ...]] = (
    assets_answer,
    holdings_are_the_nodes,
    movements_are_the_coins,
    ledger_is_the_chain,
    every_unit_is_somebodys,
    trial_balances,
)


def run_checks(snapshot: Snapshot) -> tuple[Break, ...]:
    """Every break of every check, in their order."""
    return tuple(found for check in CHECKS for found in check(snapshot))
