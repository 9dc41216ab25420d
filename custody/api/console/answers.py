"""Reading what the console's forms send, and answering with pages."""

from __future__ import annotations

import urllib.parse
from collections.abc import Collection, Mapping
from typing import Final

from starlette.responses import HTMLResponse, RedirectResponse, Response

from custody.api.console.navigation import SIGN_IN
from custody.evidence import fields
from custody.kernel.errors import InvalidInput
from custody.operators.operations import PasskeyRefused

DOCUMENT: Final = "document"
"""The field of several lines, which is taken as it was typed."""


def form_fields(body: bytes, *names: str, optional: Collection[str] = (), limit: int = 500) -> Mapping[str, str]:
    """The fields of a form: exactly ``names``, each once; an empty one is empty text. Raises ``InvalidInput``.

    Of those that are ``optional`` an absent one is empty text as well. Blanks around what was typed or pasted are
    taken away, and an end of a line in it is a blank, but in a ``DOCUMENT``.
    """
    try:
        text, most = body.decode("ascii"), len(names) + 1
        found = urllib.parse.parse_qs(
            text, keep_blank_values=True, strict_parsing=True, max_num_fields=most, errors="strict"
        )
    except ValueError:
        found = {}
    found = {name: [""] for name in optional} | found
    for name in sorted({*names, *found}):
        if name not in names or len(found.get(name, [])) != 1:
            field = name if name in names else "form"
            raise InvalidInput(f"accepted are exactly, and once each: {', '.join(names)}", field=field)
    return {name: _typed(name, values[0], limit) for name, values in found.items()}


def _typed(name: str, words: str, limit: int) -> str:
    if name == DOCUMENT:
        # A browser sends the ends of lines as two characters; the document that is signed has one.
        return fields.document(words.replace("\r\n", "\n"), field=name)
    line = _in_one_line(words)
    return fields.text(line, field=name, limit=limit) if line else ""


def _in_one_line(words: str) -> str:
    # As a browser ends them; other signs that end a line somewhere are refused with all that is not seen.
    return " ".join(line.strip() for line in words.replace("\r\n", "\n").split("\n")).strip()


def challenge(value: object) -> bytes:
    """The 32 bytes a passkey answered. Raises ``InvalidInput``; ``PasskeyRefused`` where it is a part of them."""
    text = fields.hexadecimal(value, field="challenge")
    if len(text) < 64:
        raise PasskeyRefused("is only a part of one", field="challenge", reason="challenge-truncated")
    return bytes.fromhex(fields.hexadecimal(text, field="challenge", length=32))


def html(text: str, *, status: int = 200) -> Response:
    """A page."""
    return HTMLResponse(text, status_code=status)


def see(path: str) -> Response:
    """On to another page."""
    return RedirectResponse(path, status_code=303)


def to_sign_in() -> Response:
    """On to where one signs in."""
    return see(SIGN_IN)
