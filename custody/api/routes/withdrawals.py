"""Withdrawals: ask for one, look at them, cancel one, ask for a higher fee."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.api.asking import look_at_destination, note_seen
from custody.api.body import Body, any_json, json_object
from custody.api.call import AsOperator, AsReader, AsRequester, AsRequesterOrOperator, Call
from custody.api.idempotency import REPLAYED, Key, expect_same
from custody.api.paging import After, Limit, page
from custody.approvals import queries as intents
from custody.chains.registry import spending
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.requests import WithdrawalRequest
from custody.evidence.signatures import Signature
from custody.kernel.crash import crash_point
from custody.kernel.ids import expect_id
from custody.trust.operations import InForce
from custody.views import cursors
from custody.views.payments import listed
from custody.views.standing import whole_withdrawal
from custody.withdrawals import operations, queries
from custody.withdrawals.model import PREFIXES, Withdrawal
from custody.withdrawals.states import State

router = APIRouter(prefix="/v1/withdrawals")
REFERENCE: Final = 128
"""How long a client's own reference may be."""


@router.post("")
def request(call: AsRequester, body: Body, key: Key = None) -> Response:
    """Ask for a withdrawal: 201, also where policy denies it; 200 with ``Idempotency-Replayed`` if asked before.

    ``reference`` may stand beside the request: what the client's own books call it, once per client for ever. It is
    told with the withdrawal and found by it; nobody signs it, and the console says so beside it.
    """
    sent = any_json(body)
    named = ("reference",) if isinstance(sent, dict) and "reference" in sent else ()
    found = fields.exact_object(sent, ("request", "signature", *named), field="body")
    reference = fields.text(found["reference"], field="reference", limit=REFERENCE) if named else None
    asked = WithdrawalRequest.parse(found["request"])
    signature = Signature.parse(found["signature"], field="signature")
    expect_same(key, asked.idempotency_key)
    seen = look_at_destination(call.runtime, asked)
    view, replayed = call.trusting(lambda unit, trust: _request(unit, trust, call, asked, signature, reference, seen))
    crash_point("api.withdrawal.requested")
    headers = {"Location": f"/v1/withdrawals/{view['id']}", **(REPLAYED if replayed else {})}
    return JSONResponse(view, status_code=200 if replayed else 201, headers=headers)


@router.get("")
def every(
    call: AsReader,
    http: Request,
    client: str | None = None,
    status: str | None = None,
    state: str | None = None,
    idempotency_key: str | None = None,
    reference: str | None = None,
    requester: str | None = None,
    after: After = None,
    limit: Limit = None,
) -> Response:
    """Withdrawals, oldest first, a page at a time; of one client, or with one status, where asked.

    ``state`` is another name of ``status``. With ``reference`` those a client calls so. With ``idempotency_key`` the
    one that ``requester``, or the caller by its own name, asked for under that key.
    """
    if idempotency_key is not None:
        return JSONResponse(_under_key(call, requester or call.caller.name, idempotency_key, client))
    whose = "" if client is None else fields.name(client, field="client")
    named, field = (state, "state") if status is None else (status, "status")
    states = () if named is None else (State(fields.one_of(named, tuple(State), field=field)),)
    called = "" if reference is None else fields.text(reference, field="reference", limit=REFERENCE)
    most, begin = cursors.limit(limit), cursors.read(after, "withdrawals")
    behind = begin[0] if begin else ""

    def work(unit: Unit) -> tuple[list[Withdrawal], list[dict[str, Any]]]:
        found = queries.page(unit.session, client=whose, states=states, reference=called, after=behind, limit=most + 1)
        return found, listed(unit.session, found[:most])

    rows, shown = call.unit(work)
    return JSONResponse(page(http, "withdrawals", rows, limit=most, key=lambda row: (row.id,), shown=shown))


@router.get("/{withdrawal}")
def one(call: AsReader, withdrawal: str) -> Response:
    """One withdrawal with its steps, attempts and money."""
    return JSONResponse(_shown(call, withdrawal))


@router.post("/{withdrawal}/cancel")
def cancel(call: AsRequesterOrOperator, withdrawal: str) -> Response:
    """Cancel what no cosigner can have signed; doing it again changes nothing."""
    name = expect_id(withdrawal, *PREFIXES, field="withdrawal")

    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        found = operations.cancel(unit.session, withdrawal=name, actor=call.caller.name, now=unit.now)
        return whole_withdrawal(unit.session, found, root=trust.root)

    return JSONResponse(call.trusting(work))


@router.post("/{withdrawal}/replacements")
def replace(call: AsOperator, withdrawal: str, body: Body) -> Response:
    """Ask for a replacement at a higher fee rate, in its chain's words, of a payment that is stuck: 202."""
    name = expect_id(withdrawal, *PREFIXES, field="withdrawal")
    words = spending(call.unit(lambda unit: queries.get(unit.session, withdrawal=name)).chain).fee_rate
    found = json_object(body, words.field)
    rate = fields.whole_number(found[words.field], field=words.field, low=1, high=words.highest)
    call.unit(
        lambda unit: operations.request_replacement(
            unit.session,
            withdrawal=name,
            fee_rate=rate * words.scale,
            actor=call.caller.name,
            correlation_id=call.request_id,
            now=unit.now,
        )
    )
    return JSONResponse(
        {"withdrawal": name, words.field: rate},
        status_code=202,
        headers={"Location": f"/v1/withdrawals/{name}"},
    )


def _request(
    unit: Unit,
    trust: InForce,
    call: Call,
    asked: WithdrawalRequest,
    signature: Signature,
    reference: str | None,
    seen: Mapping[str, Any],
) -> tuple[dict[str, Any], bool]:
    note_seen(unit.session, seen, now=unit.now)
    done = operations.request(
        unit.session,
        request=asked,
        signature=signature,
        trust=trust,
        correlation_id=call.request_id,
        now=unit.now,
        reference=reference,
    )
    view = whole_withdrawal(unit.session, done.withdrawal, root=trust.root)
    crash_point("api.withdrawal.before_commit")
    return view, done.replayed


def _under_key(call: Call, requester: str, key: str, client: str | None) -> dict[str, Any]:
    whose = {
        "requester": fields.name(requester, field="requester"),
        "idempotency_key": fields.name(key, field="idempotency_key"),
    }

    def work(unit: Unit) -> list[dict[str, Any]]:
        filed = intents.by_key(unit.session, **whose)
        found = None if filed is None else queries.by_digest(unit.session, digest=filed.digest)
        if found is None or client not in (None, found.client):
            return []
        return listed(unit.session, [found])

    return {"withdrawals": call.unit(work), "next": None}


def _shown(call: Call, withdrawal: str) -> dict[str, Any]:
    name = expect_id(withdrawal, *PREFIXES, field="withdrawal")

    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        found = queries.get(unit.session, withdrawal=name)
        return whole_withdrawal(unit.session, found, root=trust.root)

    return call.trusting(work)
