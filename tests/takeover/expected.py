"""Which rule each place of a bundle stands under: a change there is refused for that reason and for no other.

By the longest place that begins a mutation's own. ``FREE`` is what a daemon may choose: a yes there does no more than
the good bundle does, which is checked each time.
"""

from __future__ import annotations

from custody.cosigner.reasons import Reason

R = Reason
AUTHOR = {R.REQUEST_NOT_PROVEN}
TIMES = {R.BUNDLE_EXPIRED, R.CLOCKS_DIFFER}
WORD = {R.DECISION_UNREADABLE, R.POLICY_DENIES, R.APPROVALS_MISSING, R.DELAY_NOT_OVER, R.SCREENING_NOT_CLEAR}
OPENING = {R.OPENING_NOT_PROVEN, R.OPENING_NOT_APPROVED}
COIN = {R.PSBT_MALFORMED, R.INPUT_AMOUNT_UNPROVEN, R.INPUT_NOT_OURS}
PAID = {R.PSBT_MALFORMED, R.PAYMENT_MISSING, R.CHANGE_NOT_OURS, R.CHANGE_TWICE, R.FEE_OVER_CAP, R.FEE_OVER_CEILING}

REASONS: dict[str, set[Reason]] = {
    "chain": {R.WRONG_CHAIN},
    "created_at": TIMES,
    "not_after": TIMES,
    "policy": {R.POLICY_NOT_PINNED, R.SUCCESSION_NOT_PROVEN},
    "succession": {R.SUCCESSION_NOT_PROVEN, R.POLICY_NOT_PINNED},
    "succession[].root.version": {R.SUCCESSION_NOT_PROVEN, R.ROOT_OLDER},
    "listings": {R.LISTING_NOT_PROVEN, R.POLICY_DENIES},
    "listings[].approvals": {R.LISTING_NOT_APPROVED},
    "psbt": {R.PSBT_MALFORMED},
    "safe_tx": {R.SAFE_TX_MALFORMED},
    "payments": {R.NOTHING_TO_PAY, R.INTENT_TWICE},
    "payments[].approvals": {R.APPROVAL_INVALID, R.APPROVALS_MISSING},
    "payments[].decision": WORD,
    "payments[].intent.chain": {R.WRONG_CHAIN},
    "payments[].intent.request": AUTHOR,
    "payments[].intent.request.asset": {R.ASSET_UNKNOWN},
    "payments[].intent.vault": {R.VAULT_NOT_THE_CLIENTS},
    "payments[].request_signature": AUTHOR,
    "openings": {R.VAULT_NOT_THE_CLIENTS, *OPENING},
    "openings[].intent": {R.OPENING_NOT_PROVEN},
    "openings[].request_signature": {R.OPENING_NOT_PROVEN},
    "openings[].approvals": {R.OPENING_NOT_APPROVED},
    # A price that is not proved, or is no longer known: the rule that reads it asks for people.
    "statements": {R.STATEMENT_INVALID, R.APPROVALS_MISSING},
    "status": {R.STATUS_MISSING, R.STATUS_NOT_PROVEN},
    "trust_root.document": {R.ROOT_NOT_PINNED},
    "trust_root.signatures": {R.ROOT_NOT_IN_FORCE},
    "unsigned: inputs": COIN,
    "unsigned: inputs[].fields": {*COIN, R.SIGHASH_NOT_ALL},
    "unsigned: inputs[].sequence": {R.TIME_LOCKED},
    "unsigned: lock_time": {R.TIME_LOCKED},
    "unsigned: version": {R.PSBT_MALFORMED},
    "unsigned: shared": {R.PSBT_MALFORMED},
    "unsigned: outputs": PAID,
    "unsigned: all of it": {R.SAFE_TX_MALFORMED},
    "unsigned: safe": {R.SAFE_TX_MALFORMED, R.INPUT_NOT_OURS},
    "unsigned: chain_id": {R.SAFE_TX_MALFORMED},
    "unsigned: safe_tx": {R.SAFE_TX_MALFORMED},
    "unsigned: safe_tx.to": {R.SAFE_TX_MALFORMED, R.PAYMENT_MISSING, R.PAYMENT_NOT_ASKED, R.RECIPIENT_LOST},
    "unsigned: safe_tx.value": {R.SAFE_TX_MALFORMED, R.PAYMENT_MISSING},
    "unsigned: safe_tx.data": {R.SAFE_TX_MALFORMED, R.CONTRACT_CALL},
    "unsigned: safe_tx.operation": {R.SAFE_TX_MALFORMED, R.DELEGATE_CALL},
    "unsigned: safe_tx.safeTxGas": {R.SAFE_TX_MALFORMED, R.REFUND},
    "unsigned: safe_tx.baseGas": {R.SAFE_TX_MALFORMED, R.REFUND},
    "unsigned: safe_tx.gasPrice": {R.SAFE_TX_MALFORMED, R.REFUND},
    "unsigned: safe_tx.gasToken": {R.SAFE_TX_MALFORMED, R.REFUND},
    "unsigned: safe_tx.refundReceiver": {R.SAFE_TX_MALFORMED, R.REFUND},
}

FREE = (
    *("id", "attempt", "created_at", "not_after"),
    # What only the daemon says may tighten; what it says of its reasons is for people, and judged here again.
    "payments[].decision",
    # Order, and the same word said twice, change nothing that was signed.
    *("openings: first twice", "openings[].approvals: first twice", "payments[].approvals: turned round"),
    *("payments[].approvals[]: exchanged", "trust_root.signatures: first twice"),
    *("succession[].proven.approvals: first twice", "succession[].proven.approvals: turned round"),
    *("succession[].proven.approvals[]: exchanged", "listings[].approvals: first twice"),
    # What somebody else's list says, a daemon may leave out.
    *("listings: first twice", "listings: turned round", "listings: last left out", "listings[]: taken out"),
    "listings[]: exchanged",
    *("statements: first twice", "statements: turned round", "statements[]: exchanged"),
    *("trust_root.signatures: turned round", "trust_root.signatures[]: exchanged"),
    # Which coins and turn, in which order, with what change and fee under the ceiling: composing is its work.
    *("unsigned: inputs[].fields", "unsigned: inputs[].sequence", "unsigned: outputs: turned round"),
    *("unsigned: outputs[].amount", "unsigned: outputs[].fields", "unsigned: outputs[]: exchanged"),
    *("unsigned: safe_tx.nonce", "unsigned: shared"),
)


def reasons_for(kind: str) -> set[Reason]:
    """The reasons a mutation of this kind may be refused for."""
    place = kind.rpartition(": ")[0]
    found = max((name for name in REASONS if within(place, name)), key=len, default=None)
    return set() if found is None else REASONS[found]


def is_free(kind: str) -> bool:
    """Whether a yes to it may be given, as long as it does no more."""
    place = kind.rpartition(": ")[0]
    return any(kind == name or within(place, name) for name in FREE)


def within(place: str, name: str) -> bool:
    """Whether ``place`` is ``name`` or inside it."""
    return place == name or place.startswith((f"{name}.", f"{name}["))
