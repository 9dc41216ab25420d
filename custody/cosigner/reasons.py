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
    """The trust root expired, or a signature of its ceremony is missing or wrong."""
    KEYSET_NOT_OURS = "keyset-not-ours"
    """The vault's keyset is unknown, does not hold our key, or its keys and descriptor contradict each other."""
    POLICY_NOT_PINNED = "policy-not-pinned"
    """The policy text is not the one whose hash stands in the trust root."""
    NOTHING_TO_PAY = "nothing-to-pay"
    """No payment, or an intent of a kind that pays nobody."""
    INTENT_TWICE = "intent-twice"
    """One intent, or one request, stands in the bundle twice."""
    ASSET_UNKNOWN = "asset-unknown"
    """The asset is not the trust root's bitcoin of this chain."""
    REQUEST_NOT_PROVEN = "request-not-proven"
    """The requester's signature is by an unpinned key, wrong, or past its time."""
    OPENING_NOT_PROVEN = "opening-not-proven"
    """A client opening is malformed, not signed by a pinned key, or contradicts its own vault."""
    OPENING_NOT_APPROVED = "opening-not-approved"
    """A client opening lacks the approvals that policy asks for, or policy denies it."""
    SECOND_OWNER = "second-owner"
    """A branch would get a second owner."""
    SECOND_BRANCH = "second-branch"
    """A client would get a second branch of one keyset."""
    VAULT_NOT_THE_CLIENTS = "vault-not-the-clients"
    """The intent's vault is not the one its client was opened with."""
    DESTINATION_INVALID = "destination-invalid"
    """The destination is not an address of this network."""
    DECISION_UNREADABLE = "decision-unreadable"
    """The daemon's stored decision is malformed or of another policy."""
    APPROVAL_INVALID = "approval-invalid"
    """An approval is by an unknown key, of something else, too early, the requester's own, or its nonce was used."""
    POLICY_DENIES = "policy-denies"
    """Policy denies it, evaluated here and now."""
    REJECTED = "rejected"
    """A member of a required group rejected it."""
    APPROVALS_MISSING = "approvals-missing"
    """Fewer people agreed, with approvals that have not expired, than policy requires."""
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
    INPUT_NOT_OURS = "input-not-ours"
    """An input is not an address of the paying client's vault, derived again here."""
    PAYMENT_MISSING = "payment-missing"
    """No output pays an intent exactly its amount at its destination."""
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
    """An earlier signed transaction of this intent shares no input with this one, so both could confirm."""
    PAYS_DIFFERENTLY = "pays-differently"
    """An earlier signed transaction of this intent paid something else beside it."""
    COIN_SIGNED_ELSEWHERE = "coin-signed-elsewhere"
    """A coin was signed away before, for another intent or with another amount."""
    REFUSED_BEFORE = "refused-before"
    """This program signed a refusal of this very transaction, and keeps to it."""
    BUNDLE_ALTERED = "bundle-altered"
    """A bundle of this id or attempt was signed before with other content."""
    PERSON_DECLINED = "person-declined"
    """The keyholder read what will happen and said no."""


UNSIGNED: Final = frozenset({Reason.CLOCKS_DIFFER, Reason.DELAY_NOT_OVER, Reason.BUNDLE_ALTERED})
"""Reasons that are not a lasting no: waiting may help, or an earlier yes stands. No refusal is signed for them."""


class CosignerRefusal(Refused):
    """A no of this program. ``reason`` names the rule; the message says what was found."""

    code = "cosigner-refusal"

    def __init__(self, reason: Reason, explanation: str, *, waiting: tuple[str, ...] = ()) -> None:
        super().__init__(explanation, reason=reason.value)
        self.reason = reason
        self.explanation = explanation
        self.waiting = waiting
        """Digests of proven intents whose delay is not over."""
