"""Every operation: its id, what it takes, what it answers, and which errors it has beside those that any call has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from custody.api.contract import answers, samples
from custody.api.contract.operation import ASKING, PAYING, Operation
from custody.api.contract.shapes import Shape, by_name, document, flag, many, number, ref, some, text, thing, with_maybe
from custody.api.contract.telling import TELLING
from custody.api.contract.things import CLIENT, CODE, DIGEST, TIME, WDR, a_page

_SPENDING: Final = (
    *("node-unavailable", "node-not-ready", "nodes-disagree", "insufficient-coins", "turn-taken", "turn-unknown"),
    *("payment-would-fail", "fee-over-cap", "chain-not-served", "addresses-not-served"),
)


_SIGNATURE: Final = document("`{key, signature}`.", samples.SIGNATURE)


def _signed(request: Mapping[str, Any]) -> Shape:
    return thing(request=document("The signed request.", request), signature=_SIGNATURE)


_PAYMENT: Final = with_maybe(_signed(samples.WITHDRAWAL), reference=text("invoice 4711", maxLength=128))
_MAYBE_SIGNED: Final = {
    "type": "object",
    "properties": {"request": document("A withdrawal request.", samples.WITHDRAWAL), "signature": _SIGNATURE},
    "required": ["request"],
    "additionalProperties": False,
}
_ANSWERED: Final = thing(
    bundle=text("bnd_01ARZ3NDEKTSV4RRFFQ69G5FAV"), state=text("open"), signed_by=many(text("north"))
)
_RETURN: Final = document("What came astray, where it goes, and how far that is.", answers.RETURN)


def _created(shape: Shape) -> dict[int, Shape]:
    return {201: shape, 200: shape}


OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/healthz"): Operation("getHealth", "status", {200: thing(status=text("ok"))}, is_open=True),
    ("GET", "/readyz"): Operation(
        "getReadiness",
        "status",
        {
            200: document("What the process needs, and that it has it.", answers.READY),
            503: document("What it has not.", answers.UNREADY),
        },
        is_open=True,
    ),
    ("GET", "/problems"): Operation(
        "listProblems", "problems", {200: thing(problems=many(ref("Meaning")))}, is_open=True
    ),
    ("GET", "/problems/{code}"): Operation(
        "getProblem", "problems", {200: ref("Meaning")}, codes=("not-found",), is_open=True
    ),
    ("GET", "/v1/status"): Operation(
        "getStatus", "status", {200: document("Where chains, books and log stand.", answers.HOUSE)}
    ),
    ("GET", "/v1/assets"): Operation("listAssets", "status", {200: thing(assets=many(ref("Asset")))}),
    ("GET", "/v1/prices"): Operation(
        "listPrices", "status", {200: thing(prices=many(document("A price.", answers.QUOTED)))}
    ),
    ("GET", "/v1/keysets"): Operation(
        "listKeysets", "clients", {200: thing(keysets=many(document("A keyset.", answers.KEYSET)))}
    ),
    ("GET", "/v1/trust-root"): Operation(
        "getTrustRoot",
        "clients",
        {200: document("Every version of the trust root, as it was signed.", answers.TRUST_ROOT)},
    ),
    ("GET", "/v1/clients/{client}/openings"): Operation(
        "listOpenings",
        "clients",
        {200: document("What proves which vaults are the client's.", answers.OPENINGS)},
        codes=("unknown-client",),
    ),
    ("GET", "/v1/clients"): Operation("listClients", "clients", {200: a_page("clients", ref("Client"))}),
    ("POST", "/v1/clients"): Operation(
        "openClient",
        "clients",
        {**_created(ref("Opening")), 202: ref("Opening")},
        body=_signed(samples.OPENING),
        codes=(
            *ASKING,
            "client-exists",
            "branch-taken",
            "vault-open",
            "segregation-mismatch",
            "opening-denied",
            "unknown-keyset",
        ),
        key="optional",
    ),
    ("GET", "/v1/clients/{client}"): Operation(
        "getClient", "clients", {200: ref("WholeClient")}, codes=("unknown-client", "address-tampered")
    ),
    ("GET", "/v1/clients/{client}/balances"): Operation(
        "getBalances",
        "balances",
        {200: thing(client=CLIENT, as_of=TIME, balances=many(ref("FullBalance")))},
        codes=("unknown-client", "schema-missing"),
    ),
    ("GET", "/v1/clients/{client}/addresses"): Operation(
        "listAddresses",
        "addresses",
        {200: a_page("addresses", ref("Address"))},
        codes=("unknown-client", "address-tampered"),
    ),
    ("POST", "/v1/clients/{client}/addresses"): Operation(
        "createAddress",
        "addresses",
        {201: ref("Address")},
        codes=(
            "unknown-client",
            "unknown-vault",
            "client-not-active",
            "not-a-member",
            "address-stock-empty",
            "address-tampered",
            "restoring",
        ),
    ),
    ("POST", "/v1/clients/{client}/addresses/bulk"): Operation(
        "createAddresses",
        "addresses",
        {202: ref("Job"), 200: ref("Job")},
        body=thing(chain=some(text("regtest")), count=number(500)),
        codes=(
            "unknown-client",
            "unknown-vault",
            "client-not-active",
            "not-a-member",
            "restoring",
            "body-too-large",
            "idempotency-mismatch",
            "idempotency-key-missing",
        ),
        key="required",
    ),
    ("GET", "/v1/jobs/{job}"): Operation(
        "getJob", "jobs", {200: ref("WholeJob")}, codes=("unknown-job", "unknown-vault", "address-tampered")
    ),
    ("GET", "/v1/deposits"): Operation("listDeposits", "deposits", {200: a_page("deposits", ref("Deposit"))}),
    ("GET", "/v1/clients/{client}/deposits"): Operation(
        "listClientDeposits", "deposits", {200: a_page("deposits", ref("Deposit"))}, codes=("unknown-client",)
    ),
    ("GET", "/v1/deposits/{deposit}"): Operation(
        "getDeposit", "deposits", {200: ref("Deposit")}, codes=("unknown-deposit",)
    ),
    ("GET", "/v1/withdrawals"): Operation(
        "listWithdrawals", "withdrawals", {200: a_page("withdrawals", ref("ListedWithdrawal"))}
    ),
    ("POST", "/v1/withdrawals"): Operation(
        "createWithdrawal",
        "withdrawals",
        _created(ref("Withdrawal")),
        body=_PAYMENT,
        codes=(*PAYING, "reference-taken"),
        key="optional",
    ),
    ("POST", "/v1/withdrawals/evaluate"): Operation(
        "evaluateWithdrawal", "withdrawals", {200: ref("Prospect")}, body=_MAYBE_SIGNED, codes=PAYING
    ),
    ("POST", "/v1/withdrawals/quote"): Operation(
        "quoteWithdrawal", "withdrawals", {200: ref("Quote")}, body=_MAYBE_SIGNED, codes=(*PAYING, *_SPENDING)
    ),
    ("GET", "/v1/withdrawals/{withdrawal}"): Operation(
        "getWithdrawal", "withdrawals", {200: ref("Withdrawal")}, codes=("unknown-withdrawal",)
    ),
    ("POST", "/v1/withdrawals/{withdrawal}/cancel"): Operation(
        "cancelWithdrawal",
        "withdrawals",
        {200: ref("Withdrawal")},
        codes=("unknown-withdrawal", "may-be-signed", "withdrawal-state"),
    ),
    ("POST", "/v1/withdrawals/{withdrawal}/replacements"): Operation(
        "replaceWithdrawal",
        "withdrawals",
        {
            202: {
                "type": "object",
                "properties": {"withdrawal": WDR},
                "required": ["withdrawal"],
                "additionalProperties": number(25),
            }
        },
        body=by_name(number(25), "fee_rate_sat_vb"),
        codes=("unknown-withdrawal", "nothing-to-replace", "withdrawal-state", "body-too-large", "vault-stopped"),
    ),
    ("POST", "/v1/respends"): Operation(
        "createRespend",
        "withdrawals",
        _created(
            thing(
                withdrawal=WDR,
                status=text("signed"),
                intent_digest=DIGEST,
                digest_code=CODE,
                intent_state=text("pending"),
            )
        ),
        body=_signed(samples.RESPEND),
        codes=(*ASKING, "cannot-respend", "unknown-withdrawal"),
        key="optional",
    ),
    ("GET", "/v1/returns"): Operation("listReturns", "returns", {200: thing(returns=many(_RETURN))}),
    ("POST", "/v1/returns"): Operation(
        "createReturn",
        "returns",
        _created(_RETURN),
        body=_signed(samples.RETURN),
        codes=(
            *ASKING,
            "unknown-stray",
            "returned-already",
            "nobody-agrees",
            "unknown-vault",
            "unknown-keyset",
            "chain-not-served",
        ),
        key="optional",
    ),
    ("GET", "/v1/queue"): Operation(
        "getQueue",
        "intents",
        {
            200: a_page(
                "rows", ref("QueueRow"), counts=by_name(thing(count=number(3), at_least=flag(False)), "needs_me")
            )
        },
    ),
    ("GET", "/v1/intents"): Operation("listIntents", "intents", {200: a_page("intents", ref("Intent"))}),
    ("POST", "/v1/intents"): Operation(
        "createIntent",
        "intents",
        _created(ref("Intent")),
        body=document(
            "`{request, signature}`, and `attachments` where the kind reads them.",
            {"request": samples.FREEZE, "signature": samples.SIGNATURE},
        ),
        codes=(
            *PAYING,
            "client-exists",
            "branch-taken",
            "vault-open",
            "segregation-mismatch",
            "opening-denied",
            "unknown-keyset",
            "cannot-respend",
            "unknown-withdrawal",
            "unknown-stray",
            "returned-already",
            "nobody-agrees",
            "not-built",
            "already-listed",
            "not-listed",
            "not-frozen",
            "cannot-lift",
            "unknown-break",
            "break-resolved",
            "not-explicable",
            "not-backed",
            "succession-refused",
            "trust-root-refused",
            "policy-document-invalid",
            "unknown-intent",
            "keyset-refused",
            "keyset-exists",
            "assertion-refused",
            "passkey-refused",
            "passkey-counter",
            "ledger-unauthorised-entry",
            "proof-refused",
        ),
        key="optional",
    ),
    ("GET", "/v1/intents/{digest}"): Operation("getIntent", "intents", {200: ref("Intent")}, codes=("unknown-intent",)),
    ("POST", "/v1/intents/{digest}/approvals"): Operation(
        "createApproval",
        "intents",
        {201: ref("Intent")},
        body=thing(
            statement=document("The statement.", samples.APPROVAL),
            signature=document("`{key, signature}`, or an assertion.", samples.SIGNATURE),
        ),
        codes=(
            "unknown-intent",
            "approval-refused",
            "not-waiting",
            "already-spoken",
            "passkey-refused",
            "passkey-counter",
            "assertion-refused",
            "body-too-large",
        ),
    ),
    ("GET", "/v1/pledges"): Operation("listPledges", "balances", {200: thing(pledges=many(ref("Pledge")))}),
    ("GET", "/v1/reconciliation"): Operation("getReconciliation", "reconciliation", {200: ref("Reconciliation")}),
    ("GET", "/v1/breaks"): Operation("listBreaks", "reconciliation", {200: thing(breaks=many(ref("Break")))}),
    ("GET", "/v1/freezes"): Operation(
        "listFreezes",
        "freezes",
        {200: thing(frozen=many(CLIENT), freezes=many(document("What is stopped, and why.", answers.STOP)))},
    ),
    ("GET", "/v1/listings"): Operation(
        "listListings",
        "destinations",
        {
            200: thing(
                listings=many(document("A destination on a list.", answers.LISTING)),
                held=many(document("What waits for a word.", answers.CHECK)),
            )
        },
    ),
    ("POST", "/v1/listings/{digest}/confirmation"): Operation(
        "confirmListing",
        "destinations",
        {201: thing(digest=DIGEST, state=text("pending"))},
        body=thing(confirmation=document("The word.", samples.CONFIRMATION), signature=_SIGNATURE),
        codes=("nothing-to-confirm", "confirmation-refused", "body-too-large", "unknown-intent"),
    ),
    ("GET", "/v1/rotation"): Operation(
        "getRotation",
        "keysets",
        {200: document("What older keysets hold, and the plan to leave them.", answers.ROTATION)},
        codes=_SPENDING,
    ),
    ("GET", "/v1/announcements"): Operation(
        "getAnnouncements", "rules", {200: document("Rules, and what waits.", answers.ANNOUNCEMENTS)}
    ),
    ("GET", "/v1/retractions"): Operation(
        "getRetractions", "rules", {200: document("What was taken back.", answers.RETRACTIONS)}
    ),
    ("POST", "/v1/status"): Operation(
        "createStatus",
        "rules",
        {201: thing(service=text("status"), number=number(7))},
        body=document(
            "A signed status statement.",
            {"status": samples.STATUS, "service": "status", "signature": samples.SIGNATURE},
        ),
        codes=("status-refused", "status-stale", "status-turned-back", "body-too-large", "retraction-refused"),
    ),
    ("POST", "/v1/statements"): Operation(
        "createStatement",
        "rules",
        {201: thing(message=DIGEST, new=flag()), 200: thing(message=DIGEST, new=flag(False))},
        body=document(
            "A signed price or screening.",
            {"statement": samples.PRICE, "service": "ticker", "signature": samples.SIGNATURE},
        ),
        codes=("statement-refused", "body-too-large"),
    ),
    ("GET", "/v1/bundles"): Operation(
        "listBundles",
        "bundles",
        {200: thing(bundles=many(document("A bundle.", answers.BUNDLE)))},
        codes=("restoring", "vault-frozen", "cosigner-quarantined"),
    ),
    ("POST", "/v1/bundles/{bundle}/signatures"): Operation(
        "createSignature",
        "bundles",
        {200: _ANSWERED},
        body=document("What the cosigner signed.", samples.SIGNED),
        codes=(
            "unknown-bundle",
            "bundle-closed",
            "answered-otherwise",
            "vault-frozen",
            "cosigner-quarantined",
            "psbt-refused",
            "signature-refused",
            "body-too-large",
            "restoring",
        ),
    ),
    ("POST", "/v1/bundles/{bundle}/refusals"): Operation(
        "createRefusal",
        "bundles",
        {200: _ANSWERED},
        body=thing(refusal=document("The refusal.", samples.REFUSAL), signature=text("1f" * 64)),
        codes=("unknown-bundle", "bundle-closed", "answered-otherwise", "refusal-invalid", "body-too-large"),
    ),
    **TELLING,
}
"""Method and path template to the operation."""
