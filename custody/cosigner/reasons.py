"""Why a cosigner says no: one reason per rule, in the order the rules are applied."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from custody.kernel.errors import Refused


class Reason(StrEnum):
    """The rule that was broken. Values are stable: they stand in signed refusals."""

    WRONG_CHAIN = "wrong-chain"
    """The bundle is not for the network this key was made for."""
    CLOCKS_DIFFER = "clocks-differ"
    """The bundle was made later than our own clock says it is."""
    BUNDLE_EXPIRED = "bundle-expired"
    """The bundle is past its time, or older than our limit."""
    ROOT_NOT_PINNED = "root-not-pinned"
    """The trust root is not the one a person compared and pinned."""
    ROOT_NOT_IN_FORCE = "root-not-in-force"
    """The newest trust root expired, or a signature of the ceremony is missing or wrong."""
    ROOT_OLDER = "root-older"
    """The bundle's newest trust root is older than the one pinned here, or than the one its status statement names."""
    SUCCESSION_NOT_PROVEN = "succession-not-proven"
    """A version of the trust root does not follow from the one before it by the agreement of that one's people."""
    VERSION_NOT_CONFIRMED = "version-not-confirmed"
    """A new version of the trust root waits until the keyholder has read what it changes."""
    KEYSET_NOT_OURS = "keyset-not-ours"
    """The vault's keyset is unknown, does not hold our key, or its keys and descriptor contradict each other."""
    POLICY_NOT_PINNED = "policy-not-pinned"
    """The policy text is not the one whose hash stands in the trust root."""
    STATUS_MISSING = "status-missing"
    """No status statement says what was taken back."""
    STATUS_NOT_PROVEN = "status-not-proven"
    """The status statement is not signed by a status service of the trust root, or is of a time to come."""
    STATUS_TOO_OLD = "status-too-old"
    """The status statement is past its time, or older than this program's own limit."""
    STATUS_TURNED_BACK = "status-turned-back"
    """This program has seen a later status statement of the same service, or another one of the same number."""
    NOTHING_TO_PAY = "nothing-to-pay"
    """No payment, or an intent of a kind that pays nobody."""
    RESPEND_NOT_PROVABLE = "respend-not-provable"
    """A withdrawal is to be given up on a chain where this program cannot prove yet that a spend does that."""
    RESPEND_NOT_ALONE = "respend-not-alone"
    """A withdrawal is to be given up beside other payments in one bundle."""
    RETURN_NOT_ALONE = "return-not-alone"
    """What came astray is to be sent on beside other payments in one bundle."""
    RETURN_WITHOUT_PEOPLE = "return-without-people"
    """What came astray is to be sent on, and policy asks for nobody's approval."""
    SWEEP_NOT_ALONE = "sweep-not-alone"
    """A vault is to be swept beside other payments in one bundle."""
    INTENT_TWICE = "intent-twice"
    """One intent, or one request, stands in the bundle twice."""
    ASSET_UNKNOWN = "asset-unknown"
    """The asset is not one of this chain's that the trust root registers."""
    REQUEST_NOT_PROVEN = "request-not-proven"
    """The requester's signature is by an unpinned key, wrong, or past its time."""
    INTENT_WITHDRAWN = "intent-withdrawn"
    """The status statement says that the intent was cancelled, rejected or vetoed."""
    KEY_REVOKED = "key-revoked"
    """The status statement says that a key that asked or agreed counts no more."""
    FROZEN = "frozen"
    """The status statement says that the client, the vault, the asset or everything is frozen."""
    OPENING_NOT_PROVEN = "opening-not-proven"
    """A client opening is malformed, not signed by a pinned key, or contradicts its own vault."""
    OPENING_NOT_APPROVED = "opening-not-approved"
    """A client opening lacks the approvals that policy asks for, or policy denies it."""
    LISTING_NOT_PROVEN = "listing-not-proven"
    """A listing of a destination is malformed, or not signed by a pinned key."""
    LISTING_NOT_APPROVED = "listing-not-approved"
    """A listing of a destination lacks the approvals that policy asks for, or policy denies it."""
    SECOND_OWNER = "second-owner"
    """A branch would get a second owner."""
    SECOND_BRANCH = "second-branch"
    """A client would get a second branch of one keyset."""
    VAULT_NOT_THE_CLIENTS = "vault-not-the-clients"
    """The intent's vault is not the one its client was opened with."""
    SWEEP_NOT_OWN = "sweep-not-own"
    """What is swept would not go to a later vault of the same client, at an address derived again here."""
    DESTINATION_INVALID = "destination-invalid"
    """The destination is not an address of this network."""
    DECISION_UNREADABLE = "decision-unreadable"
    """The daemon's stored decision is malformed or of another policy."""
    STATEMENT_INVALID = "statement-invalid"
    """A price or screening in the bundle is not by a service the trust root pins for it, or does not verify."""
    APPROVAL_INVALID = "approval-invalid"
    """An approval is by an unknown key, of something else, too early, the requester's own, or its nonce was used."""
    POLICY_DENIES = "policy-denies"
    """Policy denies it, evaluated here and now."""
    REJECTED = "rejected"
    """A member of a required group rejected it."""
    APPROVALS_MISSING = "approvals-missing"
    """Fewer people agreed, with approvals that have not expired, than policy requires."""
    SCREENING_NOT_CLEAR = "screening-not-clear"
    """Policy asks for a clear screening of the destination, and no pinned service says so."""
    FACTS_TOO_OLD = "facts-too-old"
    """Policy, evaluated here and now, asks for more, and a price or screening in the bundle is too old to be read."""
    DELAY_NOT_OVER = "delay-not-over"
    """The delay that policy requires, counted from when this program first saw the intent, is not over."""
    PSBT_MALFORMED = "psbt-malformed"
    """The transaction is not a version-0 PSBT of this network that two parsers accept."""
    TIME_LOCKED = "time-locked"
    """The transaction carries a lock time or a relative lock: a signature could be kept for later."""
    SIGHASH_NOT_ALL = "sighash-not-all"
    """An input asks for another signature than one over the whole transaction."""
    INPUT_AMOUNT_UNPROVEN = "input-amount-unproven"
    """An input's previous transaction is missing or contradicts its amount or script."""
    SAFE_TX_MALFORMED = "safe-tx-malformed"
    """The transaction is not a SafeTx of this network in its one canonical form."""
    REFUND = "refund"
    """A field of a SafeTx that would pay or bound whoever executes it is not zero."""
    DELEGATE_CALL = "delegate-call"
    """A Safe would run another contract's code as its own: a delegatecall that is not our one batch of plain calls."""
    BATCH_NOT_CANONICAL = "batch-not-canonical"
    """A batch is not in its one form, carries a value, holds a batch or one call only, or is called as a contract."""
    OWN_SAFE = "own-safe"
    """A Safe would pay or reconfigure itself: its owners, threshold, modules, guard or code."""
    CONTRACT_CALL = "contract-call"
    """A contract is asked for anything but a plain transfer of a registered token."""
    RECIPIENT_LOST = "recipient-lost"
    """What is paid would be lost or anybody's: nothing at all, or to a reserved address, a token or a Safe contract."""
    PAYMENT_NOT_ASKED = "payment-not-asked"
    """A payment that no intent asks for."""
    NOT_A_NO_OP = "not-a-no-op"
    """A withdrawal is to be given up, and the transaction does more than use its turn up."""
    INPUT_NOT_OURS = "input-not-ours"
    """What is spent is not an address of the paying client's vault, derived again here."""
    STRAY_NOT_THERE = "stray-not-there"
    """What came astray is not to be sent on from the address it came to."""
    PAYMENT_MISSING = "payment-missing"
    """Nothing pays an intent exactly its amount at its destination."""
    CHANGE_NOT_OURS = "change-not-ours"
    """An output that pays nobody is not the same vault's change, derived again here."""
    CHANGE_TWICE = "change-twice"
    """More than one output is change."""
    FEE_OVER_CAP = "fee-over-cap"
    """The fee is negative, or above this program's own caps."""
    FEE_OVER_CEILING = "fee-over-ceiling"
    """The fee, or a payment's share of it, is above what its requester allowed."""
    OVER_OWN_LIMIT = "over-own-limit"
    """More than this keyholder's own limit for one transaction or one day."""
    REQUEST_SIGNED_ELSEWHERE = "request-signed-elsewhere"
    """The same signed request was already paid under another intent."""
    NOT_A_REPLACEMENT = "not-a-replacement"
    """An earlier signed transaction of this intent takes nothing this one takes, so both could confirm."""
    PAYS_DIFFERENTLY = "pays-differently"
    """An earlier signed transaction of this intent paid something else beside it."""
    COIN_SIGNED_ELSEWHERE = "coin-signed-elsewhere"
    """A coin, or a turn of an account, was signed away before: for another intent, or with another amount."""
    REFUSED_BEFORE = "refused-before"
    """This program signed a refusal of this very transaction, and keeps to it."""
    BUNDLE_ALTERED = "bundle-altered"
    """A bundle of this id or attempt was signed before with other content."""
    PERSON_DECLINED = "person-declined"
    """The keyholder read what will happen and said no."""


UNSIGNED: Final = frozenset(
    {
        Reason.CLOCKS_DIFFER,
        Reason.ROOT_OLDER,
        Reason.VERSION_NOT_CONFIRMED,
        Reason.STATUS_MISSING,
        Reason.STATUS_NOT_PROVEN,
        Reason.STATUS_TOO_OLD,
        Reason.STATUS_TURNED_BACK,
        Reason.FROZEN,
        Reason.FACTS_TOO_OLD,
        Reason.DELAY_NOT_OVER,
        Reason.BUNDLE_ALTERED,
    }
)
"""Reasons that are not a lasting no: time, a fresher statement or a newer version may help, or an earlier yes stands.
No refusal is signed for them.
"""


class CosignerRefusal(Refused):
    """A no of this program. ``reason`` names the rule; the message says what was found."""

    code = "cosigner-refusal"

    def __init__(self, reason: Reason, explanation: str, *, waiting: tuple[str, ...] = ()) -> None:
        super().__init__(explanation, reason=reason.value)
        self.reason = reason
        self.explanation = explanation
        self.waiting = waiting
        """Digests of proven intents whose delay is not over."""
