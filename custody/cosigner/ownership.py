"""Whose a vault is: client openings, proved by their own signatures and approvals, and never changed afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from custody.cosigner.freshness import expect_not_revoked, expect_not_withdrawn
from custody.cosigner.lineage import Version
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import KnownOpening, MemoryView
from custody.evidence.agreement import Heard, hear, shortfall
from custody.evidence.approvals import ApprovalRefused
from custody.evidence.bundle import Bundle
from custody.evidence.check import RequestRefused, check_author
from custody.evidence.intents import Intent, VaultName
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import ClientOpeningRequest, SweepRequest, client_of
from custody.evidence.status import Status
from custody.evidence.trust_root import TrustRoot
from policies.decision import Decision
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used


@dataclass(frozen=True, slots=True)
class Owners:
    """Every opening known once this bundle's are added, by client and vault."""

    openings: tuple[KnownOpening, ...]
    delays: Mapping[str, int]
    """Opening's digest to the seconds that policy makes it wait."""

    def of_client(self, intent: Intent) -> KnownOpening:
        """The opening that gave the intent's client the intent's vault. Raises ``CosignerRefusal``."""
        client = client_of(intent.request)
        for opening in self.openings:
            if opening.client == client and opening.vault == intent.vault:
                return opening
        raise CosignerRefusal(Reason.VAULT_NOT_THE_CLIENTS, f"no opening gives vault {intent.vault} to client {client}")

    def segregation_of(self, client: str) -> str | None:
        """How the client was opened; ``None`` of one that is not known."""
        return next((opening.segregation for opening in self.openings if opening.client == client), None)


def expect_way_forward(request: SweepRequest, vault: VaultName, owners: Owners, root: TrustRoot) -> None:
    """A sweep goes to a vault of the same client, of a later keyset of the same chain. Raises ``CosignerRefusal``."""
    if request.out_of != vault:
        raise CosignerRefusal(Reason.SWEEP_NOT_OWN, f"the money is to leave vault {request.out_of}, not {vault}")
    order = [keyset.id for keyset in root.keysets]
    if not any(opening.client == request.client and opening.vault == request.to for opening in owners.openings):
        raise CosignerRefusal(Reason.SWEEP_NOT_OWN, f"no opening gives vault {request.to} to client {request.client}")
    before, after = root.keyset(vault.keyset), root.keyset(request.to.keyset)
    if before is None or after is None or before.chain != after.chain:
        raise CosignerRefusal(Reason.SWEEP_NOT_OWN, f"vault {request.to} is of no keyset of this chain")
    if order.index(after.id) <= order.index(before.id):
        raise CosignerRefusal(Reason.SWEEP_NOT_OWN, f"vault {request.to} is of no later keyset than vault {vault}")


def check_openings(
    bundle: Bundle, *, chain: str, versions: Sequence[Version], status: Status, memory: MemoryView, now: datetime
) -> Owners:
    """Check each opening in the bundle, of a vault of ``chain``, and that none changes what is known.

    One that is known here needs no proof again. Another is judged under whichever proved version of the trust root
    accepts it, the newest first: it may have been agreed to before operators changed, and outlives its request and its
    approvals, so those are judged at the time they were given. Raises ``CosignerRefusal``.
    """
    known, delays = list(memory.openings()), dict[str, int]()
    before = {opening.digest for opening in known}
    for proven in (each for each in bundle.openings if each.intent.digest not in before):
        request = _read(proven, chain, versions[-1].root)
        expect_not_withdrawn(status, [proven.intent.digest])
        expect_not_revoked(status, proven)
        opening = KnownOpening(request.client, request.segregation, proven.intent.vault, proven.intent.digest)
        delays[opening.digest] = _expect_agreed(proven, request, chain, versions, now)
        _expect_no_change(opening, known)
        known.append(opening)
    return Owners(tuple(known), delays)


def verdict_of_people(
    decision: Decision,
    document: Document,
    root: TrustRoot,
    approvers: Iterable[str],
    rejecters: Iterable[str],
    requester: str,
) -> tuple[Reason, str] | None:
    """Why this decision and these people are not enough; ``None`` when they are."""
    heard = Heard(frozenset(approvers), frozenset(rejecters), None)
    short = shortfall(decision, document, root, heard, requester=requester)
    return None if short is None else (_REASONS[short[0]], short[1])


_REASONS: Final = {
    "denied": Reason.POLICY_DENIES,
    "rejected": Reason.REJECTED,
    "missing": Reason.APPROVALS_MISSING,
}


def _read(proven: ProvenIntent, chain: str, root: TrustRoot) -> ClientOpeningRequest:
    request, vault = proven.intent.request, proven.intent.vault
    if not isinstance(request, ClientOpeningRequest):
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"a {request.kind} stands among the openings")
    if (vault.keyset, vault.branch) != (request.keyset, request.branch):
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"client {request.client} asked for another vault")
    keyset = root.keyset(vault.keyset)
    if keyset is None or keyset.chain != chain or proven.intent.chain != chain:
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"vault {vault} is of no keyset of this chain")
    return request


def _expect_agreed(
    proven: ProvenIntent, request: ClientOpeningRequest, chain: str, versions: Sequence[Version], now: datetime
) -> int:
    refusals: list[CosignerRefusal] = []
    for version in reversed(versions):
        document = version.document
        if document is None:
            continue
        try:
            return _judge(proven, request, chain, version.root, document, now)
        except CosignerRefusal as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _judge(
    proven: ProvenIntent, request: ClientOpeningRequest, chain: str, root: TrustRoot, document: Document, now: datetime
) -> int:
    try:
        check_author(request, proven.request_signature, root=root, now=now)
    except RequestRefused as error:
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"the opening of {request.client}: {error}") from error
    facts = Facts(
        kind=request.kind,
        requester=request.requester,
        client=request.client,
        segregation=request.segregation,
        chain=chain,
        now=now,
    )
    decision = evaluate(document, facts, nothing_used)
    try:
        heard = hear(proven, root=root, now=now)
    except ApprovalRefused as error:
        raise CosignerRefusal(Reason.OPENING_NOT_APPROVED, f"the opening of {request.client}: {error}") from error
    short = shortfall(decision, document, root, heard, requester=request.requester)
    if short is not None:
        raise CosignerRefusal(Reason.OPENING_NOT_APPROVED, f"the opening of {request.client}: {short[1]}")
    return decision.obligations.delay_seconds


def _expect_no_change(opening: KnownOpening, known: Iterable[KnownOpening]) -> None:
    for other in known:
        if other.client == opening.client and other.vault.keyset == opening.vault.keyset:
            if other.vault != opening.vault:
                raise CosignerRefusal(Reason.SECOND_BRANCH, f"client {opening.client} has vault {other.vault} already")
            if other.segregation != opening.segregation:
                raise CosignerRefusal(Reason.SECOND_OWNER, f"client {opening.client} was opened {other.segregation}")
        elif other.vault == opening.vault and "segregated" in (other.segregation, opening.segregation):
            raise CosignerRefusal(Reason.SECOND_OWNER, f"vault {opening.vault} belongs to client {other.client}")
