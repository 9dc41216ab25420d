"""Telling whoever is to be told: collect, send, settle, each in a unit of its own and nothing sent inside one."""

from __future__ import annotations

from typing import Final

from custody.db import Database
from custody.notices import operations
from custody.notices.sending import Postman
from custody.trust.operations import NoTrustRoot, in_force
from custody.webhooks.signing import Sealer

AT_ONCE: Final = 10
"""Letters of one turn: all of them unanswered take less time than their lease."""


def tell(database: Database, postman: Postman, *, sealer: Sealer) -> int:
    """Tell what is to be told now; how many letters were tried. Before there is a trust root nobody is asked."""
    with database.unit() as unit:
        try:
            trust = in_force(unit.session)
        except NoTrustRoot:
            return 0
        operations.collect(unit.session, trust=trust, now=unit.now)
    with database.unit() as unit:
        letters = operations.claim(unit.session, trust=trust, sealer=sealer, limit=AT_ONCE, now=unit.now)
    if letters:
        outcomes = postman.deliver(letters)
        with database.unit() as unit:
            operations.settle(unit.session, outcomes=outcomes, now=unit.now)
    return len(letters)
