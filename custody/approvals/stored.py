"""Intents for pages that are read again and again: what a row says is taken apart once, as long as it says the same.

The row is compared as the text the database holds, so one that was altered is read anew, and refused as ever.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, Text, cast, select

from custody.approvals.queries import FiledIntent, checked
from custody.approvals.tables import IntentRow
from custody.evidence.authorship import AuthorSignature, parse_author_signature
from custody.evidence.intents import Intent
from custody.kernel.canonical import parse_json
from policies.decision import Decision

KEPT: Final = 512
"""How many rows a process remembers: a few pages of a few people."""
_AS_TEXT: Final = (IntentRow.document, IntentRow.request_signature, IntentRow.decision)


def stored() -> Select[*tuple[Any, ...]]:
    """The rows that ``read`` takes; conditions, order and limit are the caller's."""
    return select(
        IntentRow.digest,
        *(cast(column, Text).label(column.key) for column in _AS_TEXT),
        IntentRow.request_hash,
        IntentRow.state,
        IntentRow.client_id,
        IntentRow.not_after,
        IntentRow.not_before,
        IntentRow.created_at,
        IntentRow.carried_out_at,
    )


def read(row: Any) -> FiledIntent:
    """One row of ``stored``. Raises ``IntentTampered``."""
    return FiledIntent(
        digest=row.digest,
        intent=_intent(row.digest, row.document),
        request_signature=_signature(row.request_signature),
        request_hash=row.request_hash,
        decision=_decision(row.decision),
        state=row.state,
        client=row.client_id,
        not_after=row.not_after,
        not_before=row.not_before,
        created_at=row.created_at,
        carried_out_at=row.carried_out_at,
    )


@lru_cache(maxsize=KEPT)
def _intent(digest: str, document: str) -> Intent:
    return checked(digest, parse_json(document, field="intents.document"))


@lru_cache(maxsize=KEPT)
def _signature(document: str) -> AuthorSignature:
    return parse_author_signature(parse_json(document, field="intents.request_signature"), field="request_signature")


@lru_cache(maxsize=KEPT)
def _decision(document: str) -> Decision:
    return Decision.from_json(parse_json(document, field="intents.decision"))
