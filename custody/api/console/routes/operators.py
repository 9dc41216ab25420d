"""Whose word counts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest
from custody.api.console.pages import operators as pages
from custody.api.console.reading import network_names
from custody.db import Unit
from custody.trust.operations import InForce
from custody.views.people import UnknownVersion, people_view, version_view

router = APIRouter(prefix="/console/people")


@router.get("")
def show_people(visit: AsGuest) -> Response:
    """Operators, invitations, cosigners, groups, back ends and versions."""
    if visit is None:
        return to_sign_in()

    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        return people_view(unit.session, trust, now=unit.now)

    return html(pages.people(visit, visit.call.trusting(work), network_names(visit)))


@router.get("/versions/{version}")
def show_version(visit: AsGuest, version: str) -> Response:
    """One version of the trust root, with everything it changed."""
    if visit is None:
        return to_sign_in()
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise UnknownVersion("accepted is a number", field="version")

    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        return version_view(unit.session, trust, version=int(version))

    return html(pages.version(visit, visit.call.trusting(work)))
