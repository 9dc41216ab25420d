"""Webhook endpoints: where events are pushed, how that stands, and sending again."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.api.body import Body, any_json, json_object
from custody.api.call import AsReader, AsRequesterOrOperator, Call
from custody.api.filing import filed
from custody.api.idempotency import Key, expect_key
from custody.api.paging import After, Limit, address
from custody.api.problems import ClientRefused
from custody.db import Unit
from custody.events import queries as told
from custody.evidence import fields
from custody.jobs import operations as jobs
from custody.jobs.model import ResendAsked
from custody.kernel.clock import parse_rfc3339
from custody.kernel.errors import InvalidInput
from custody.kernel.ids import new_id
from custody.views import cursors
from custody.views import webhooks as views
from custody.webhooks import operations, queries
from custody.webhooks.formats import CLOUDEVENTS, FORMATS, source_of
from custody.webhooks.model import STATES
from custody.webhooks.places import Places, read_networks
from custody.webhooks.signing import Sealer

CHANGEABLE: Final = ("url", "types", "payload", "format", "label")

router = APIRouter(prefix="/v1/webhook-endpoints")


@router.get("")
def every(call: AsReader) -> Response:
    """All endpoints with what waits for each, oldest first."""
    found = call.unit(lambda unit: views.endpoints(unit.session, clients=call.caller.clients))
    return JSONResponse({"webhook_endpoints": found})


@router.post("")
def add(call: AsRequesterOrOperator, body: Body) -> Response:
    """Push events to an address. The answer holds the secret, this once.

    ``format`` may be ``cloudevents``; left out, what is pushed is what the feed has.
    """
    sent = any_json(body)
    named = ("format",) if isinstance(sent, dict) and "format" in sent else ()
    found = fields.exact_object(sent, ("url", "client", "types", "payload", *named, "label"), field="body")
    client = None if found["client"] is None else fields.name(found["client"], field="client")
    if not call.caller.may_see(client):
        raise ClientRefused("this credential is bound to other clients", field="client")
    chosen = _read(call, found)
    _look_up(call, chosen["url"])

    def work(unit: Unit) -> dict[str, Any]:
        made = operations.add(
            unit.session, client=client, sealer=_sealer(call), actor=call.caller.name, now=unit.now, **chosen
        )
        return views.made(made)

    view = call.unit(work)
    return JSONResponse(view, status_code=201, headers={"Location": f"/v1/webhook-endpoints/{view['id']}"})


@router.get("/{endpoint}")
def one(call: AsReader, endpoint: str) -> Response:
    """One endpoint and what waits for it."""
    whose = call.caller.clients
    return JSONResponse(call.unit(lambda unit: views.endpoint(unit.session, endpoint=endpoint, clients=whose)))


@router.patch("/{endpoint}")
def change(call: AsRequesterOrOperator, endpoint: str, body: Body) -> Response:
    """Change its address, filter, payload, format or label; the secret stays."""
    _enter(call, endpoint)
    found = any_json(body)
    if not isinstance(found, dict) or not found or not set(found) <= set(CHANGEABLE):
        raise InvalidInput(
            f"not an object of what is to be changed; accepted are {', '.join(CHANGEABLE)}", field="body"
        )
    chosen = _read(call, found)
    if "url" in chosen:
        _look_up(call, chosen["url"])

    def work(unit: Unit) -> dict[str, Any]:
        _expect_own(unit, call, endpoint)
        operations.change(
            unit.session, endpoint=endpoint, sealer=_sealer(call), actor=call.caller.name, now=unit.now, **chosen
        )
        return views.endpoint(unit.session, endpoint=endpoint)

    return JSONResponse(call.unit(work))


@router.delete("/{endpoint}")
def remove(call: AsRequesterOrOperator, endpoint: str) -> Response:
    """Send nothing there any more."""

    def work(unit: Unit) -> None:
        _expect_own(unit, call, endpoint)
        operations.remove(unit.session, endpoint=endpoint, actor=call.caller.name, now=unit.now)

    call.unit(work)
    return JSONResponse({"removed": endpoint})


@router.post("/{endpoint}/disable")
def disable(call: AsRequesterOrOperator, endpoint: str, body: Body) -> Response:
    """Send nothing there for now; events wait."""
    _enter(call, endpoint)
    reason = fields.text(json_object(body, "reason")["reason"], field="reason")

    def work(unit: Unit) -> dict[str, Any]:
        _expect_own(unit, call, endpoint)
        operations.disable(unit.session, endpoint=endpoint, reason=reason, actor=call.caller.name, now=unit.now)
        return views.endpoint(unit.session, endpoint=endpoint)

    return JSONResponse(call.unit(work))


@router.post("/{endpoint}/enable")
def enable(call: AsRequesterOrOperator, endpoint: str) -> Response:
    """Send there again, from where it stopped."""

    def work(unit: Unit) -> dict[str, Any]:
        _expect_own(unit, call, endpoint)
        operations.enable(unit.session, endpoint=endpoint, actor=call.caller.name, now=unit.now)
        return views.endpoint(unit.session, endpoint=endpoint)

    return JSONResponse(call.unit(work))


@router.post("/{endpoint}/secret")
def rotate_secret(call: AsRequesterOrOperator, endpoint: str) -> Response:
    """A new secret, shown this once; for a day the old one signs as well."""

    def work(unit: Unit) -> dict[str, Any]:
        _expect_own(unit, call, endpoint)
        made = operations.rotate_secret(
            unit.session, endpoint=endpoint, sealer=_sealer(call), actor=call.caller.name, now=unit.now
        )
        return views.made(made)

    return JSONResponse(call.unit(work))


@router.get("/{endpoint}/deliveries")
def deliveries(
    call: AsReader,
    request: Request,
    endpoint: str,
    after: After = None,
    limit: Limit = None,
    state: str | None = None,
) -> Response:
    """What was sent there and what waits, the newest first, a page at a time."""
    most = cursors.limit(limit)
    chosen = None if state is None else fields.one_of(state, STATES, field="state")

    def work(unit: Unit) -> dict[str, Any]:
        _expect_own(unit, call, endpoint)
        return views.deliveries(unit.session, endpoint=endpoint, limit=most, state=chosen, after=after)

    found = call.unit(work)
    return JSONResponse(found | {"next": address(request, found["next"])})


@router.get("/{endpoint}/deliveries/{event}")
def attempts(call: AsReader, endpoint: str, event: str) -> Response:
    """Every attempt to deliver one event there, with the beginning of each answer."""

    def work(unit: Unit) -> list[dict[str, Any]]:
        _expect_own(unit, call, endpoint)
        return views.attempts(unit.session, endpoint=endpoint, event=event)

    return JSONResponse({"attempts": call.unit(work)})


@router.post("/{endpoint}/deliveries/{event}/resend")
def resend(call: AsRequesterOrOperator, endpoint: str, event: str) -> Response:
    """Send one event there again, or now where it waits."""

    def work(unit: Unit) -> dict[str, Any]:
        _expect_own(unit, call, endpoint)
        found = told.by_id(unit.session, event=event, client=call.caller.clients)
        operations.resend(unit.session, endpoint=endpoint, event=found, actor=call.caller.name, now=unit.now)
        return views.endpoint(unit.session, endpoint=endpoint)

    return JSONResponse(call.unit(work), status_code=202)


@router.post("/{endpoint}/resend-failed")
def resend_failed(call: AsRequesterOrOperator, endpoint: str, body: Body, key: Key = None) -> Response:
    """Try everything that was not taken again, as a job: 202, and where to see how far it is.

    ``since`` leaves out what was told before. 200 if it was asked before under this key.
    """
    _enter(call, endpoint)
    said = json_object(body, "since")["since"]
    asked = ResendAsked(endpoint, None if said is None else parse_rfc3339(said, field="since"))
    asked_under = None if key is None else expect_key(key)

    def work(unit: Unit) -> jobs.Filed:
        _expect_own(unit, call, endpoint)
        return jobs.ask_to_resend(
            unit.session,
            asked=asked,
            requester=call.caller.name,
            idempotency_key=asked_under or new_id("job", unit.now),
            correlation_id=call.request_id,
            now=unit.now,
        )

    return filed(call.unit(work))


@router.post("/{endpoint}/test")
def test(call: AsRequesterOrOperator, endpoint: str) -> Response:
    """Push a test there and nowhere else, once: 202, and the event, whose type is ``webhook_endpoint.test``."""

    def work(unit: Unit) -> str:
        _expect_own(unit, call, endpoint)
        return operations.send_test(unit.session, endpoint=endpoint, actor=call.caller.name, now=unit.now)

    sent = call.unit(work)
    event = call.unit(lambda unit: told.by_id(unit.session, event=sent))
    where = f"/v1/webhook-endpoints/{endpoint}/deliveries/{event.id}"
    return Response(event.body, status_code=202, media_type="application/json", headers={"Location": where})


def _read(call: Call, found: Any) -> dict[str, Any]:
    """The fields of an endpoint that are there. What is in them is judged by the operation."""
    chosen: dict[str, Any] = {}
    if "url" in found:
        chosen["url"] = found["url"]
    if "types" in found:
        chosen["types"] = [fields.text(each, field="types") for each in fields.array(found["types"], field="types")]
    if "payload" in found:
        chosen["payload"] = fields.text(found["payload"], field="payload")
    if "format" in found:
        is_cloud = fields.one_of(found["format"], FORMATS, field="format") == CLOUDEVENTS
        chosen["source"] = source_of(call.runtime.settings.api_names[0]) if is_cloud else ""
    if "label" in found:
        chosen["label"] = fields.text(found["label"], field="label")
    return chosen


def _look_up(call: Call, url: object) -> None:
    """Outside of any unit: names are asked of the network."""
    Places(read_networks(call.runtime.settings.webhook_inside)).read(url, asker=call.caller.name)


def _enter(call: Call, endpoint: str) -> None:
    """Before the body is read: of another client's endpoint nothing is said but that there is none."""
    call.unit(lambda unit: _expect_own(unit, call, endpoint))


def _expect_own(unit: Unit, call: Call, endpoint: str) -> None:
    queries.get(unit.session, endpoint=endpoint, clients=call.caller.clients)


def _sealer(call: Call) -> Sealer:
    return Sealer(call.runtime.seal_key)
