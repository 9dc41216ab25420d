"""The operations by which the house tells what changed: the feed, and where events are pushed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from custody.api.contract import samples
from custody.api.contract.operation import Operation
from custody.api.contract.shapes import document, many, one_of, ref, some, text, thing, with_maybe
from custody.api.contract.things import CLIENT, TIME, a_page

_HOOKS: Final = "/v1/webhook-endpoints"
_HOOK: Final = f"{_HOOKS}/{{endpoint}}"
_HOOK_CODES: Final = ("unknown-webhook-endpoint", "webhook-endpoint-state", "webhook-secret-tampered", "body-too-large")
_ENDPOINT: Final = document("A webhook endpoint and what waits for it.", samples.ENDPOINT)
_MADE: Final = document("A webhook endpoint with its new secret, which is shown this once.", samples.MADE)
_EVENT: Final = document("An event.", samples.EVENT)
_ENDPOINT_BODY: Final = thing(
    url=text("https://exchange.example/hooks"),
    client=some(CLIENT),
    types=many(text("withdrawal")),
    payload=text("full"),
    label=text("back office"),
)
_NEW_ENDPOINT: Final = with_maybe(_ENDPOINT_BODY, format=one_of("standard", "cloudevents"))

TELLING: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/v1/events"): Operation(
        "listEvents",
        "events",
        {200: thing(events=many(_EVENT), cursor=text("1042"))},
        codes=("unknown-event",),
    ),
    ("GET", "/v1/events/{event}"): Operation("getEvent", "events", {200: _EVENT}, codes=("unknown-event",)),
    ("GET", _HOOKS): Operation("listWebhookEndpoints", "webhooks", {200: thing(webhook_endpoints=many(_ENDPOINT))}),
    ("POST", _HOOKS): Operation(
        "createWebhookEndpoint",
        "webhooks",
        {201: _MADE},
        body=_NEW_ENDPOINT,
        codes=(*_HOOK_CODES, "unknown-client"),
    ),
    ("GET", _HOOK): Operation("getWebhookEndpoint", "webhooks", {200: _ENDPOINT}, codes=_HOOK_CODES),
    ("PATCH", _HOOK): Operation(
        "changeWebhookEndpoint",
        "webhooks",
        {200: _ENDPOINT},
        body=document("What is to be changed.", {"label": "back office"}),
        codes=_HOOK_CODES,
    ),
    ("DELETE", _HOOK): Operation(
        "removeWebhookEndpoint",
        "webhooks",
        {200: thing(removed=text("whe_01ARZ3NDEKTSV4RRFFQ69G5FAV"))},
        codes=_HOOK_CODES,
    ),
    ("POST", f"{_HOOK}/disable"): Operation(
        "disableWebhookEndpoint", "webhooks", {200: _ENDPOINT}, body=thing(reason=text("moving")), codes=_HOOK_CODES
    ),
    ("POST", f"{_HOOK}/enable"): Operation("enableWebhookEndpoint", "webhooks", {200: _ENDPOINT}, codes=_HOOK_CODES),
    ("POST", f"{_HOOK}/secret"): Operation("rotateWebhookSecret", "webhooks", {200: _MADE}, codes=_HOOK_CODES),
    ("POST", f"{_HOOK}/resend-failed"): Operation(
        "resendFailed",
        "webhooks",
        {202: ref("Job"), 200: ref("Job")},
        body=thing(since=some(TIME)),
        codes=(*_HOOK_CODES, "idempotency-mismatch", "resend-running"),
        key="optional",
    ),
    ("POST", f"{_HOOK}/test"): Operation(
        "sendTestEvent", "webhooks", {202: document("The event of the test.", samples.TEST_EVENT)}, codes=_HOOK_CODES
    ),
    ("GET", f"{_HOOK}/deliveries"): Operation(
        "listDeliveries",
        "webhooks",
        {200: a_page("deliveries", document("A delivery.", samples.DELIVERY))},
        codes=_HOOK_CODES,
    ),
    ("GET", f"{_HOOK}/deliveries/{{event}}"): Operation(
        "listAttempts",
        "webhooks",
        {200: thing(attempts=many(document("An attempt.", samples.ATTEMPT)))},
        codes=_HOOK_CODES,
    ),
    ("POST", f"{_HOOK}/deliveries/{{event}}/resend"): Operation(
        "resendEvent", "webhooks", {202: _ENDPOINT}, codes=(*_HOOK_CODES, "unknown-event")
    ),
}
"""Method and path template to the operation."""
