"""A withdrawal by its id, as people outside name it: its page is its intent's."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import see, to_sign_in
from custody.api.console.door import AsGuest
from custody.withdrawals import queries

router = APIRouter(prefix="/console/withdrawals")


@router.get("/{withdrawal}")
def show_withdrawal(visit: AsGuest, withdrawal: str) -> Response:
    """On to the intent of this withdrawal. Raises ``UnknownWithdrawal``."""
    if visit is None:
        return to_sign_in()
    found = visit.call.unit(lambda unit: queries.get(unit.session, withdrawal=withdrawal))
    return see(f"/console/intents/{found.digest}")
