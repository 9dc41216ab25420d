"""Everything that changes the books. No operation commits; a refusal ends the unit it was called in."""

from custody.ledger.operations.deposits import (
    DepositNotCredited,
    DepositReversed,
    DepositStillCredited,
    credit_deposit,
    reverse_deposit,
    reverse_suspense,
    to_suspense,
)
from custody.ledger.operations.gas import (
    add_capital,
    bill_network_fee,
    pay_network_fee,
    reverse_bill,
    reverse_capital,
    reverse_network_fee,
)
from custody.ledger.operations.holds import (
    HoldEnded,
    HoldExceeded,
    HoldNotFound,
    HoldNotSettled,
    hold,
    restore_hold,
    reverse_settlement,
    settle_hold,
    void_hold,
)
from custody.ledger.operations.posting import (
    IdempotencyMismatch,
    InsufficientFunds,
    VaultOverdrawn,
    post,
    post_batch,
)

__all__ = [
    "DepositNotCredited",
    "DepositReversed",
    "DepositStillCredited",
    "HoldEnded",
    "HoldExceeded",
    "HoldNotFound",
    "HoldNotSettled",
    "IdempotencyMismatch",
    "InsufficientFunds",
    "VaultOverdrawn",
    "add_capital",
    "bill_network_fee",
    "credit_deposit",
    "hold",
    "pay_network_fee",
    "post",
    "post_batch",
    "restore_hold",
    "reverse_bill",
    "reverse_capital",
    "reverse_deposit",
    "reverse_network_fee",
    "reverse_settlement",
    "reverse_suspense",
    "settle_hold",
    "to_suspense",
    "void_hold",
]
