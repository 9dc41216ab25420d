"""I8: every withdrawal that got past its approval, and every client, has the signatures for it, checked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.evidence.approvals import Approval, check_approval
from custody.evidence.check import check_author
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import CustodyError
from custody.trust.operations import in_force


def approvals_hold(session: Session) -> Iterator[str]:
    """Each intent that was acted on: its author's signature, each verdict's, distinct people, and the tally."""
    digests = list(session.execute(_ACTED_ON).scalars())
    if not digests:
        return
    try:
        roots = in_force(session).roots
    except CustodyError as error:
        yield f"the trust root cannot be read: {error}"
        return
    for digest in digests:
        try:
            filed = intents.get(session, digest=digest)
            given = intents.given(session, digest=digest)
            yield from _unproved_by_any(filed, given, roots)
        except CustodyError as error:
            yield f"intent {digest}: {error}"


def _unproved_by_any(filed: FiledIntent, given: list[Approval], roots: Sequence[TrustRoot]) -> list[str]:
    """What is wrong with it under the newest version of the trust root; nothing where an earlier one accepts it."""
    found = [_under(filed, given, root) for root in roots]
    return [] if [] in found else found[0]


def _under(filed: FiledIntent, given: list[Approval], root: TrustRoot) -> list[str]:
    try:
        return list(_unproved(filed, given, root))
    except CustodyError as error:
        return [f"intent {filed.digest}: {error}"]


def _unproved(filed: FiledIntent, given: list[Approval], root: TrustRoot) -> Iterator[str]:
    request = filed.intent.request
    check_author(request, filed.request_signature, root=root, now=filed.created_at)
    for approval in given:
        check_approval(
            approval,
            digest=filed.digest,
            requester=request.requester,
            request_not_after=request.not_after,
            root=root,
            now=approval.statement.given_at,
        )
    if any(approval.statement.verdict == "reject" for approval in given):
        yield f"intent {filed.digest} was rejected and yet carried out"
    if not intents.tally(filed.decision, given, root=root, requester=request.requester).met:
        yield f"intent {filed.digest} was carried out without the approvals its decision asks for"


# Rules that change ask more people of what is on its way: until they agree, its bundle is of the rules before.
_ACTED_ON: Final = text(
    """
    SELECT w.digest FROM withdrawals w JOIN intents i ON i.digest = w.digest
    WHERE w.state IN ('approved', 'awaiting_signatures', 'signed', 'broadcast', 'confirmed', 'completed')
      AND NOT (i.state <> 'approved' AND EXISTS (
        SELECT FROM attempts a JOIN bundles b ON b.attempt_id = a.id
        WHERE a.withdrawal_id = w.id AND b.root_version < (SELECT max(version) FROM trust_roots)))
    UNION SELECT opening FROM clients
    UNION SELECT digest FROM intents WHERE carried_out_at IS NOT NULL
    UNION SELECT digest FROM stops WHERE digest IS NOT NULL
    UNION SELECT lifted_by FROM stops WHERE lifted_by IS NOT NULL
    UNION SELECT digest FROM break_resolutions
    UNION SELECT digest FROM listings
    UNION SELECT delisted_by FROM listings WHERE delisted_by IS NOT NULL
    ORDER BY 1
    """
)
