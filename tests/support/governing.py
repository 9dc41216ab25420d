"""Asking for what moves nothing on a chain, agreeing to it and having it carried out, as the API and workers do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from custody.api.asking import Enquiry, ask
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.approvals.asking import Asked
from custody.approvals.queries import FiledIntent
from custody.db import Database
from custody.evidence.lookalikes import Confirmation
from custody.evidence.requests import (
    BreakResolutionRequest,
    DestinationListingRequest,
    FreezeRequest,
    ManualEntryRequest,
    Request,
    UnfreezeRequest,
    request_message,
)
from custody.evidence.signatures import Signature, sign_ed25519
from custody.listings import operations as listings
from custody.listings import queries as lists
from custody.reconciliation import queries as breaks
from custody.reconciliation.model import Break, Snapshot
from custody.reconciliation.operations import record_run
from custody.trust.operations import in_force
from tests.cosigner.builders import REGTEST, approval, key_id, person_key
from workers.tasks.intents import COMPLETIONS, Agreed


def closing(db: Database, *, requester: str, purpose: str = "because", days: int = 1) -> dict[str, Any]:
    """How a request ends: good for days, under a key of its own."""
    with db.unit() as unit:
        until = unit.now + timedelta(days=days)
    key = f"key-{secrets.token_hex(8)}"
    return {"requester": requester, "purpose": purpose, "not_after": until, "idempotency_key": key}


def freeze(db: Database, scope: str, subject: str, *, requester: str = "alice", **changes: Any) -> FreezeRequest:
    """What stops it."""
    return FreezeRequest(**{**closing(db, requester=requester), "scope": scope, "subject": subject, **changes})


def unfreeze(db: Database, scope: str, subject: str, *, requester: str = "alice", **changes: Any) -> UnfreezeRequest:
    """What lets it go."""
    return UnfreezeRequest(**{**closing(db, requester=requester), "scope": scope, "subject": subject, **changes})


def listing(db: Database, client: str, destination: str, *, requester: str = "exchange", **changes: Any) -> Any:
    """What puts a destination on the client's list, or takes it off."""
    asked = {
        **closing(db, requester=requester),
        "client": client,
        "chain": REGTEST.chain,
        "destination": destination,
        "label": "cold wallet",
        "action": "list",
    }
    return DestinationListingRequest(**{**asked, **changes})


def confirmation(db: Database, digest: str, person: str, **changes: str) -> tuple[Confirmation, Signature]:
    """A person's word that a held destination was read out in full, signed."""
    with db.unit() as unit:
        request = intents.get(unit.session, digest=digest).intent.request
        check = lists.check_of(unit.session, digest=digest)
    assert isinstance(request, DestinationListingRequest)
    assert check is not None
    said = {"digest": digest, "destination": request.destination, "similar": check.similar, "person": person}
    word = Confirmation(**{**said, **changes})
    return word, sign_ed25519(person_key(person), key_id(person), word.message)


def confirm(db: Database, digest: str, person: str, **changes: str) -> str:
    """Hand it in, as the API does; where the listing stands after it."""
    word, signature = confirmation(db, digest, person, **changes)
    with db.unit() as unit:
        trust = in_force(unit.session)
        return listings.confirm(unit.session, confirmation=word, signature=signature, trust=trust, now=unit.now)


def entry(db: Database, amount: int, debit: str, credit: str, *, client: str = "house", **changes: Any) -> Any:
    """What posts an entry by hand."""
    asked = {
        **closing(db, requester="alice"),
        "client": client,
        "asset": REGTEST.asset.id,
        "amount": amount,
        "debit": debit,
        "credit": credit,
    }
    return ManualEntryRequest(**{**asked, **changes})


def resolution(db: Database, subject: str, how: str, *, requester: str = "alice") -> BreakResolutionRequest:
    """What resolves a break."""
    return BreakResolutionRequest(**closing(db, requester=requester), subject=subject, resolution=how)


def find_break(db: Database, vault: str) -> str:
    """A run that finds one difference in the vault; the id of its break."""
    with db.unit() as unit:
        record_run(
            unit.session,
            kind="scripts",
            snapshots=(Snapshot(REGTEST.chain, REGTEST.asset.id, True, 1, "00" * 32, (), {}, 0),),
            breaks=(Break(vault, REGTEST.asset.id, "assets-answer", 5, 0, "paused"),),
            actor="test",
            started_at=unit.now,
            now=unit.now,
        )
    with db.unit() as unit:
        return breaks.open_breaks(unit.session, vault=vault)[-1].id


def file(
    db: Database, request: Request, *, signer: str = "", attachments: Mapping[str, Any] | None = None, **seen: Any
) -> Asked:
    """Ask, in one unit, as the API does; ``seen`` is what its chain said."""
    who = signer or request.requester
    signature = sign_ed25519(person_key(who), key_id(who), request_message(request))
    with db.unit() as unit:
        trust = in_force(unit.session)
        return ask(Enquiry(unit.session, request, signature, trust, attachments or {}, seen, "test", unit.now))


def agree(db: Database, digest: str, *people: str, verdict: str = "approve") -> FiledIntent:
    """These people's verdicts; where the intent stands after them."""
    for person in people:
        with db.unit() as unit:
            filed = intents.get(unit.session, digest=digest)
            said = approval(
                person,
                digest,
                verdict=verdict,
                given_at=unit.now,
                not_after=min(filed.not_after, unit.now + timedelta(hours=1)),
                nonce=secrets.token_hex(16),
            )
            approvals.give(
                unit.session,
                digest=digest,
                approval=said,
                root=in_force(unit.session).root,
                correlation_id="test",
                now=unit.now,
            )
    return standing(db, digest)


def carry_out(db: Database, digest: str, *, later: timedelta = timedelta(0)) -> FiledIntent:
    """What the worker's task does when the outbox says that people agreed."""
    with db.unit() as unit:
        kind = intents.get(unit.session, digest=digest).intent.kind
        shifted = type(unit)(unit.session, unit.now + later)
        COMPLETIONS[kind](Agreed(shifted, None, digest, "test"))  # type: ignore[arg-type]
    return standing(db, digest)


def govern(db: Database, request: Request, *people: str, **seen: Any) -> FiledIntent:
    """Ask, have these people agree, and have it carried out."""
    asked = file(db, request, **seen)
    agree(db, asked.digest, *people)
    return carry_out(db, asked.digest)


def standing(db: Database, digest: str) -> FiledIntent:
    """Where an intent stands."""
    with db.unit() as unit:
        return intents.get(unit.session, digest=digest)
