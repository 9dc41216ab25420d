"""Every error code, once: what it means, what it means for the money, and whether to ask again.

Documents, the OpenAPI description, clients and answers are made of this table. A code stands here before an error class
may have it; the class stands beside the operation that raises it and says when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Problem:
    """One code. ``status`` is the HTTP status; ``meaning`` and ``money`` are one sentence each, for people."""

    code: str
    family: str
    """``invalid``, ``unknown``, ``refused``, ``conflict``, ``unavailable`` or ``broken``."""
    status: int
    meaning: str
    money: str
    retryable: bool

    @property
    def title(self) -> str:
        """The code in words."""
        return self.code.replace("-", " ").capitalize()

    @property
    def type(self) -> str:
        """A URI reference that never changes, below which the API explains the code."""
        return f"/problems/{self.code}"

    def to_json(self) -> dict[str, str | int | bool]:
        """For programs."""
        return {
            "type": self.type,
            "code": self.code,
            "family": self.family,
            "title": self.title,
            "status": self.status,
            "meaning": self.meaning,
            "money": self.money,
            "retryable": self.retryable,
        }


_INVALID: Final[Mapping[str, str]] = {
    "idempotency-key-differs": "The header Idempotency-Key is not the key in the signed request.",
    "version-unknown": "The header Custody-Version asks for a contract that is not served here.",
    "idempotency-key-missing": "The call has no Idempotency-Key, and moves or promises money.",
    "invalid-input": "A field is not what is accepted: the detail names the field, the problem and what is accepted.",
    "policy-document-invalid": (
        "A policy document is not acceptable; the detail says in which line and what is accepted."
    ),
    "too-much-to-replay": "More was asked for in the period than a page waits for.",
    "psbt-refused": (
        "Not a PSBT that is taken: malformed, of another version or network, too large, or contradicting itself."
    ),
}

_UNKNOWN: Final[Mapping[str, str]] = {
    "block-not-found": "The node has no such block.",
    "deposit-not-credited": "There is no such credit to reverse.",
    "gas-not-booked": "There is no such entry to reverse.",
    "hold-not-found": "No hold has this id.",
    "no-console": "The trust root names no console: nobody may use a passkey.",
    "no-such-route": "The API has no such route.",
    "not-found": "No such object for this caller.",
    "nothing-to-confirm": "No listing of that intent waits for a confirmation.",
    "transaction-not-found": "The node has no such transaction where it was asked to look.",
    "unknown-attempt": "No attempt of that id.",
    "unknown-break": "No break of that id.",
    "unknown-bundle": "No such bundle for this cosigner.",
    "unknown-client": "No client of that id.",
    "unknown-deposit": "No deposit of that id.",
    "no-candidate": "No passkey was registered under that id.",
    "unknown-address": "No address of that id was given to anybody.",
    "unknown-entry": "No entry of that number.",
    "unknown-event": "No event of that id, or nothing told of an object of that id.",
    "unknown-intent": "No intent of that digest.",
    "unknown-job": "No job of that id.",
    "unknown-keyset": "No keyset of that id is registered.",
    "unknown-notice-channel": "The operator has no such channel for notices.",
    "unknown-proposal": "No change of the rules of that digest.",
    "unknown-stray": "Nothing of that name came astray, or a reorg took it away again.",
    "unknown-vault": "No vault of that id, or none for that client.",
    "unknown-webhook-endpoint": "No webhook endpoint of that id.",
    "unknown-version": "No version of the trust root of that number came into force.",
    "unknown-withdrawal": "No withdrawal of that id.",
}

_REFUSED: Final[Mapping[str, str]] = {
    "address-misread": "The address of this intent was read wrongly twice by this person: another one decides.",
    "approval-refused": (
        "An approval does not count: unknown key, wrong signature, other digest, expired, or by who asked."
    ),
    "assertion-refused": (
        "An assertion does not prove that this person agreed to this on our console; field says which part."
    ),
    "batch-delegates": (
        "A call inside a batch is not a plain call: operation 1 hands the Safe over to whoever is called."
    ),
    "call-replayed": "A signed call came a second time: its nonce was used before.",
    "call-signature-refused": "A signed call is not as it must be; field names the part that is wrong.",
    "client-refused": "The credential is bound to clients, and this is not theirs alone.",
    "network-refused": "The credential is not for calls from where this one comes from.",
    "invitation-refused": "The invitation is unknown, was used, or its time is over.",
    "sign-in-refused": "The passkey's answer opens nothing.",
    "scope-refused": "The credential is narrowed, and not for this.",
    "body-too-large": "More was sent than this route reads.",
    "cannot-bump": "No replacement of these transactions pays more, stays under the ceiling and can be funded.",
    "cannot-lift": "What stopped it stands still, and has to go first.",
    "client-not-active": (
        "A client that is frozen, defaulted or closed gets no new address; its old ones are watched for ever."
    ),
    "confirmation-refused": "A confirmation is by nobody who may give it, of something else, or does not verify.",
    "cosigner-quarantined": "A cosigner that once answered with something else than it was given.",
    "denied-by-policy": "The policy does not permit what was asked for.",
    "fee-over-cap": "The fee is above a cap, or is no fee at all.",
    "foreign-origin": "Something was sent to the console by a page that is not the console's.",
    "hold-exceeded": "More left the vault than was ever set aside for it.",
    "http-error": "The server did not understand the call.",
    "idempotency-mismatch": "The key was used with another body; names the first field that differs.",
    "insufficient-coins": "What is free and confirmed on the chain does not cover the payment and its fee.",
    "insufficient-funds": "The client has not that much available.",
    "keyset-refused": "A keyset whose keys, descriptor and points do not say the same thing.",
    "ledger-unauthorised-entry": (
        "An entry whose reason does not permit what it moves, or without an authority for who pays."
    ),
    "method-not-allowed": "The route knows no such method.",
    "no-faucet": "The node of a sandbox has nothing of its own to pay from.",
    "no-finality": "Deposits are to count when the network says that a block is final, and the node does not say it.",
    "no-trust-root": "The ceremony has not taken place: nothing can be asked for yet.",
    "nobody-agrees": "The policy would let what came astray go without asking anybody: it goes to nobody.",
    "node-refused": "The node understood and said no.",
    "not-a-member": "The vault is not this client's.",
    "not-backed": "Nothing stands behind the entry: less is there than it would move.",
    "not-built": "The kind has its fields and words, and nothing carries it out yet.",
    "not-explicable": "A break of this check is corrected, or its vault stays as it is.",
    "not-signed-in": "Nobody is signed in to the console, or no longer.",
    "nothing-to-raise": "The spend rides on nothing that waits for a block.",
    "opening-denied": "The policy does not permit this client to be opened.",
    "passkey-counter": "A passkey's counter did not rise, so there may be a copy of it: it is locked.",
    "passkey-refused": "A passkey's answer does not count.",
    "payer-stopped": "The payer carries nothing until a person has looked.",
    "payment-would-fail": "The chain would not carry the payment out as things are: the asset or the payee refuses it.",
    "proof-refused": "A proof of possession does not verify under the key it is for.",
    "psbt-not-final": "A quorum of valid signatures is missing.",
    "refusal-invalid": "A refusal is not signed by the cosigner it names, or is for another bundle.",
    "refused": "The rules say no.",
    "request-refused": "A request is not by a pinned key, does not verify, or is not valid at this time.",
    "retraction-refused": "A retraction is not by whose key or request it takes back, or does not verify.",
    "role-refused": "The caller is known, and this is not its to do.",
    "safe-effect-refused": "It does something that is never signed here.",
    "safe-signature-refused": "A signature, or a set of them, that the Safe or we would not take.",
    "segregation-mismatch": "A segregated client cannot share a pool, an omnibus client cannot own a branch.",
    "signature-refused": "A cosigner's answer is not a signature over what was asked for.",
    "statement-refused": "A statement is not by a service the trust root pins for it, or does not verify.",
    "status-refused": "A status statement is not by a pinned service, does not verify, or is not fresh.",
    "status-stale": "A status statement is too old to say anything about now; a fresher one may.",
    "succession-refused": "A version of the trust root does not follow from the one before it.",
    "trust-root-refused": "A trust root is not the pinned one, lacks a signature, or has expired.",
    "turn-taken": "What covers the payment has a turn before it that is not over.",
    "unauthenticated": "The call proves nobody: no credential, or one that is nobody's.",
    "vault-frozen": "Nothing is signed of what is stopped; the answer can be given again when an intent has lifted it.",
    "vault-stopped": "The client or its vault is frozen: nothing is sent until an approved intent lifts it.",
    "webhook-place-refused": "The address is none that webhooks go to.",
    "wrong-network": "The node's genesis block is another network's.",
}

_CONFLICT: Final[Mapping[str, str]] = {
    "address-stock-moved": "Derived addresses of another keyset than the vault has now.",
    "already-listed": "The destination is on the client's list.",
    "already-registered": "The passkey was registered before.",
    "already-spoken": "One person has already given a verdict on the intent that stands, or used the nonce.",
    "answered-otherwise": "A cosigner has already given the opposite answer, and keeps to it.",
    "branch-taken": "The branch is somebody else's, or is of the other kind.",
    "break-resolved": "The break was resolved already.",
    "bundle-closed": "The bundle is complete, refused or abandoned: nothing more is taken for it.",
    "cannot-respend": (
        "There is nothing to use up: not signed, over, being given up already, or its chain knows no such thing."
    ),
    "client-exists": "The id or the name is taken.",
    "coin-taken": "A claim of the plan was reserved or used up meanwhile; plan again.",
    "conflict": "The state moved, or the thing is already done.",
    "deposit-forbidden-move": "The deposit's state does not know this event.",
    "deposit-reversed": "The occurrence was credited and then reversed: what arrived again is the next occurrence.",
    "deposit-still-credited": "A further occurrence of a deposit whose earlier one was not reversed.",
    "hold-ended": (
        "The hold is no longer in the state this needs: it was voided, settled, or that settlement was reversed."
    ),
    "hold-not-settled": "There is no such settlement to reverse.",
    "idempotency-in-flight": "A call with this idempotency key is still being answered.",
    "keyset-exists": "Another keyset has that id: keysets are rotated, never edited.",
    "may-be-signed": "A cosigner has been given the bundle: its signature may exist, so the money cannot be freed.",
    "not-frozen": "There is nothing to lift.",
    "not-listed": "The destination is not on the client's list.",
    "not-replayed": (
        "The chain has not been read to the node's tip since the restore, or the books do not agree with it."
    ),
    "not-restoring": "No restoration is under way.",
    "not-waiting": "The intent is not waiting for people any more.",
    "nothing-to-replace": (
        "Only a payment that was sent and is not confirmed can be replaced, one replacement at a time."
    ),
    "notice-channel-state": "The channel for notices is in that state already.",
    "reference-taken": "Another withdrawal of the client's has this reference, and keeps it whatever became of it.",
    "relaying-forbidden-move": "The state does not know this event.",
    "resend-running": "A job sends again what failed at this webhook endpoint already; the message names it.",
    "returned-already": "The stray is being sent on already, or was.",
    "status-turned-back": "The service has made a later statement, or another one of this number.",
    "tip-moved": "The stored tip is not the one this was read against: somebody else scanned on, or the chain changed.",
    "trust-root-exists": "Another version 1 is in force.",
    "unit-conflict": (
        "Two units met (deadlock, serialization failure, one key written twice); run the whole unit again."
    ),
    "vault-open": "The client has another vault of this keyset already (one vault per chain and keyset).",
    "vault-overdrawn": (
        "More would leave a vault than the books say it holds: what paid out first has to be reversed first."
    ),
    "webhook-endpoint-state": "The webhook endpoint is in that state already.",
    "withdrawal-state": "The withdrawal is not in a state this can happen in.",
}

_SILENT: Final[Mapping[str, str]] = {
    "address-stock-empty": "No derived address is left; more are being derived.",
    "addresses-not-served": (
        "What our addresses stand on is not on the chain, or not as it should be: none is derived for anybody."
    ),
    "asset-silent": "A registered asset does not say what a place holds; others are not concerned.",
    "cannot-carry-yet": "The spend waits: its message says what for. It is carried when it can be, or offered again.",
    "chain-not-read-yet": (
        "The payer can only be taken on where the chain has been read to the node's newest block: try again."
    ),
    "chain-not-served": (
        "A chain that is not in the settings: what is to be done there waits for a process that serves it."
    ),
    "database-unavailable": "Postgres does not answer.",
    "node-behind": "The node stands on our chain but below our tip: it lost blocks, which is no reorg.",
    "node-not-ready": "The node is still syncing or behind its own headers: what it does not show may exist.",
    "node-unavailable": (
        "The node does not answer, answers no sense, or is busy. What was asked may or may not have happened."
    ),
    "nodes-disagree": "Two nodes of one network tell it differently: neither is believed.",
    "not-in-step": "The node's chain moved on faster than it could be compared, several times over.",
    "policy-waits": (
        "The policy asks for something that is not so yet: a price, a clear screening, fresh books, more people."
    ),
    "restoring": "The database was restored and has not caught up with the chain: this waits until it has.",
    "schema-missing": "The database has not the tables this program reads.",
    "state-forgotten": "The node does not have the balances of that block any more; those of a newer one it has.",
    "not-compared": "The documents were not compared in time, or somebody else's are being compared.",
    "too-many-calls": "The credential called, or something failed at the console's door, more often than it may.",
    "token-silent": "A token does not say what somebody has: it is no token, or it fails for that address.",
    "turn-unknown": "The chain counts another turn than we do: a block is not read yet, or the node is behind.",
    "unavailable": "A node, signer or price source is silent.",
}

_BROKEN: Final[Mapping[str, str]] = {
    "address-tampered": "A stored address is not what its vault's signed descriptor gave: it is shown to nobody.",
    "asset-unknown": "The books hold an asset nobody has decimals for.",
    "broken": "An invariant is false.",
    "webhook-secret-tampered": "The sealed secret of a webhook endpoint does not open.",
    "carriage-mismatch": "What was signed does not read back as what was asked: nothing is stored and nothing sent.",
    "derivation-mismatch": "Two independent derivations of one address differ: neither is shown to anybody.",
    "digest-mismatch": (
        "Two libraries compute different digests for one input, or one of them cannot: nothing is signed."
    ),
    "final-transaction-wrong": "The finalised transaction is not the attempt that was composed.",
    "intent-tampered": "A stored intent no longer has the digest it is filed under.",
    "internal": "Something went wrong here; the request id finds it in the log.",
    "keyset-tampered": "A stored keyset is not the one its cosigners signed: nothing is derived from it.",
    "ledger-malformed-entry": "An account or posting that cannot exist: the caller has a defect.",
    "ledger-unbalanced-entry": "An entry whose postings do not sum to zero for some asset.",
    "no-common-ancestor": (
        "Not one block we read is on the node's chain: another chain, or one rewritten from before our first block."
    ),
    "no-deposit-rules": "A deposit of an asset the config has no rules for any more: it waits until there are some.",
    "payer-used-elsewhere": (
        "The chain knows numbers of the payer that we gave to nothing: somebody else has its key, or we forgot."
    ),
    "return-altered": "What was signed for a return is not what was composed.",
    "safe-address-mismatch": "Two computations of one Safe's address differ: neither is handed out.",
    "safe-tx-hashes-differ": "Two computations of one SafeTx's hash differ: neither is used.",
    "spend-mismatch": "Two independent computations of one attempt's id differ: nothing was composed.",
    "unknown-block": "There is no stored block to go back to.",
}

_FAMILIES: Final = (
    ("invalid", 422, False, "No money moves: nothing was written.", _INVALID),
    ("unknown", 404, False, "No money moves: nothing was written.", _UNKNOWN),
    ("refused", 403, False, "No money moves.", _REFUSED),
    ("conflict", 409, False, "No money moves by this call: what was there before stands as it was.", _CONFLICT),
    ("unavailable", 503, True, "No money moves by this call; asked again with the same key, it moves once.", _SILENT),
    ("broken", 500, False, "Nothing of it is carried out until people have looked.", _BROKEN),
)
"""Family, HTTP status, whether to ask again, what it means for the money, and its codes."""

_STATUSES: Final[Mapping[str, int]] = {
    "unauthenticated": 401,
    "call-replayed": 401,
    "call-signature-refused": 401,
    "sign-in-refused": 401,
    "too-many-calls": 429,
    "not-signed-in": 401,
    "idempotency-key-missing": 400,
    "version-unknown": 400,
    "method-not-allowed": 405,
    "body-too-large": 413,
    "idempotency-mismatch": 422,
    "http-error": 400,
}
"""Codes whose status is not their family's."""

_ASKED_AGAIN: Final = frozenset({"unit-conflict", "coin-taken", "idempotency-in-flight"})
"""Conflicts that are over as soon as they are asked again."""

_MONEY: Final[Mapping[str, str]] = {
    "insufficient-funds": "No money moves and nothing is held: the client's balances are as they were.",
    "idempotency-mismatch": (
        "No money moves by this call; what the key was first used for stands, and is not paid twice."
    ),
    "idempotency-in-flight": "The first call with this key decides; asked again, this one says what became of it.",
    "may-be-signed": "The money stays held: a signature may exist, so the payment can still happen.",
    "address-stock-empty": "No money moves. Addresses given out before stay good.",
    "address-tampered": "No address is shown, so that nothing is paid to a wrong one; people are told.",
    "keyset-tampered": "No address is shown, so that nothing is paid to a wrong one; people are told.",
    "vault-frozen": "The money stays where it is until an approved intent lifts the freeze.",
    "vault-stopped": "The money stays where it is until an approved intent lifts the freeze.",
    "client-not-active": "The client's money stays where it is; what arrives at its addresses is still credited.",
    "node-unavailable": (
        "What was sent to the chain may have happened; it is looked at again before anything is repeated."
    ),
    "denied-by-policy": "No money moves and nothing is held.",
    "internal": "It may or may not have been carried out: asked again with the same key, it happens once.",
    "database-unavailable": "It may or may not have been carried out: asked again with the same key, it happens once.",
    "already-spoken": "No money moves by this call: the verdict given before stands.",
    "answered-otherwise": "No money moves by this call: the answer given before stands.",
    "restoring": "Nothing is paid until the chain has been read again; asked again later, it moves once.",
}
"""What a code means for the money, where its family's sentence is not the whole truth."""

PROBLEMS: Final[Mapping[str, Problem]] = {
    code: Problem(
        code, family, _STATUSES.get(code, status), meaning, _MONEY.get(code, money), again or code in _ASKED_AGAIN
    )
    for family, status, again, money, codes in _FAMILIES
    for code, meaning in sorted(codes.items())
}
"""Code to what it means."""
