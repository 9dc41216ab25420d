"""The console's own script, style and icon, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from custody.evidence import fields

router = APIRouter(prefix="/console/static")

_STATIC: Final = Path(__file__).parent.parent / "static"
_SCRIPT: Final = "text/javascript; charset=utf-8"
_TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": _SCRIPT,
    "passkey.js": _SCRIPT,
    "keyboard.js": _SCRIPT,
    "live.js": _SCRIPT,
    "icon.svg": "image/svg+xml",
}


@router.get("/{name}")
def static(name: str) -> Response:
    """One of them. It may be kept for a minute: another version of the console comes with other pages."""
    fields.one_of(name, tuple(_TYPES), field="name")
    headers = {"Cache-Control": "private, max-age=60"}
    return Response((_STATIC / name).read_bytes(), media_type=_TYPES[name], headers=headers)
