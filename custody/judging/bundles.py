"""Bundles as they are given out: with the prices and screenings of this moment, for those they were made with age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from custody.evidence.bundle import Bundle
from custody.evidence.statements import SignedStatement
from custody.evidence.trust_root import TrustRoot
from custody.judging.facts import Moving, statements_behind
from custody.signing import operations as signing


def give_out(
    session: Session, *, cosigner: str, keysets: Sequence[str], root: TrustRoot, now: datetime
) -> list[dict[str, Any]]:
    """As ``signing.give_out``, each bundle with the newest statements behind the facts of its payments."""
    found = signing.give_out(session, cosigner=cosigner, keysets=keysets, now=now)
    return [_renewed(session, document, root, now) for document in found] if root.services else found


def _renewed(session: Session, document: dict[str, Any], root: TrustRoot, now: datetime) -> dict[str, Any]:
    bundle = Bundle.parse(document)
    newest: dict[tuple[str, str], SignedStatement] = {}
    for payment in bundle.payments:
        request = payment.proven.intent.request
        if isinstance(request, Moving):
            behind = statements_behind(session, request=request, chain=bundle.chain, root=root, now=now)
            newest |= {(each.service, each.message.hex()): each for each in behind}
    return replace(bundle, statements=tuple(newest.values())).to_json()
