"""What went wrong, as a page: what it means for the money first, then what happened, and the way back."""

from __future__ import annotations

import json

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from custody.api.console import parts
from custody.api.console.frame import page
from custody.api.console.guarding import headers_of
from custody.api.console.markup import element
from custody.api.console.navigation import QUEUE, SIGN_IN

_TITLES = {
    401: "You are not signed in",
    403: "This is refused",
    404: "There is no such page",
    405: "There is no such page",
    409: "Something else came first",
    413: "That is too much",
    422: "Something in it is not accepted",
    429: "That was too often",
    503: "A part of the house does not answer",
}
_HERE = {
    "no-such-route": "nothing stands at this address",
    "method-not-allowed": "this address is not for being opened that way",
}
"""What is said to a program in other words."""
MONEY = "No money moved, and nothing was changed."
"""The first sentence of every such page: a call that fails is rolled back as a whole."""


def as_page(request: Request, answer: Response) -> Response:
    """``answer``, a problem document, as a page where a person's browser asked for one; else as it is."""
    # What broke is answered outside ``Guarded``.
    path = request.url.path
    headers = headers_of(path)
    if not path.startswith("/console") or "text/html" not in request.headers.get("accept", ""):
        answer.headers.update(headers)
        return answer
    problem = json.loads(bytes(answer.body))
    # What was sent is named where it is wrong; what came too late, or is not there, was right once.
    field = f"{problem['field']}: " if problem["field"] and answer.status_code == 422 else ""
    said = field + _HERE.get(problem["code"], problem["detail"])
    again = "Trying again may help." if problem["retryable"] else "Trying the same again changes nothing."
    text = page(
        None,
        _TITLES.get(answer.status_code, "Something broke here"),
        parts.section(
            "What it means",
            element("p", MONEY),
            element("p", f"{said[:1].upper()}{said[1:]}."),
            element("p", again),
            parts.facts(("request", problem["request_id"]), ("code", problem["code"])),
        ),
        element("p", parts.link("To the queue", QUEUE), " · ", parts.link("Sign in", SIGN_IN)),
    )
    return HTMLResponse(text, status_code=answer.status_code, headers=headers)
