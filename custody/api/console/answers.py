"""Reading what the console's forms send, and answering with pages."""

from __future__ import annotations

import urllib.parse
from collections.abc import Collection, Mapping

from starlette.responses import HTMLResponse, RedirectResponse, Response

from custody.api.console.navigation import SIGN_IN
from custody.evidence import fields
from custody.kernel.errors import InvalidInput
from custody.operators.operations import PasskeyRefused


def form_fields(body: bytes, *names: str, optional: Collection[str] = (), limit: int = 500) -> Mapping[str, str]:
    """The fields of a form: exactly ``names``, each once; an empty one is empty text. Raises ``InvalidInput``.

    Of those that are ``optional`` an absent one is empty text as well. Blanks around what was typed or pasted are
    taken away, and an end of a line in it is a blank.
    """
    try:
        text = body.decode("ascii")
        found = urllib.parse.parse_qs(text, keep_blank_values=True, strict_parsing=True, max_num_fields=len(names) + 1)
    except ValueError:
        found = {}
    found = {name: [""] for name in optional} | found
    for name in sorted({*names, *found}):
        if name not in names or len(found.get(name, [])) != 1:
            field = name if name in names else "form"
            raise InvalidInput(f"accepted are exactly, and once each: {', '.join(names)}", field=field)
    typed = {name: _in_one_line(values[0]) for name, values in found.items()}
    return {name: fields.text(words, field=name, limit=limit) if words else "" for name, words in typed.items()}


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
