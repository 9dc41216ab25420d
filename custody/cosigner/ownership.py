"""Whose a vault is: client openings, proved by their own signatures and approvals, and never changed afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import KnownOpening, MemoryView
from custody.evidence.approvals import CLOCK_SKEW, Approval, ApprovalRefused, check_approval
from custody.evidence.bundle import Bundle
from custody.evidence.check import RequestRefused, check_author
from custody.evidence.intents import Intent, VaultName
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import ClientOpeningRequest, SweepRequest, client_of
from custody.evidence.trust_root import TrustRoot
from policies.decision import Decision, Outcome
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.tally import satisfied


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
    bundle: Bundle, *, chain: str, root: TrustRoot, document: Document, memory: MemoryView, now: datetime
) -> Owners:
    """Check each opening in the bundle, of a vault of ``chain``, and that none changes what is known.

    Openings outlive their request and approvals, so those are judged at the time they were given. Raises
    ``CosignerRefusal``.
    """
    known, delays = list(memory.openings()), dict[str, int]()
    for proven in bundle.openings:
        opening, delay = _check_opening(proven, chain, root, document, now)
        _expect_no_change(opening, known)
        known.append(opening)
        delays[opening.digest] = delay
    return Owners(tuple(known), delays)


def _check_opening(
    proven: ProvenIntent, chain: str, root: TrustRoot, document: Document, now: datetime
) -> tuple[KnownOpening, int]:
    request, vault = proven.intent.request, proven.intent.vault
    if not isinstance(request, ClientOpeningRequest):
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"a {request.kind} stands among the openings")
    if (vault.keyset, vault.branch) != (request.keyset, request.branch):
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"client {request.client} asked for another vault")
    keyset = root.keyset(vault.keyset)
    if keyset is None or keyset.chain != chain or proven.intent.chain != chain:
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"vault {vault} is of no keyset of this chain")
    try:
        check_author(request, proven.request_signature, root=root)
    except RequestRefused as error:
        raise CosignerRefusal(Reason.OPENING_NOT_PROVEN, f"the opening of {request.client}: {error}") from error
    delay = _expect_approved(proven, request, chain, root, document, now)
    return KnownOpening(request.client, request.segregation, vault, proven.intent.digest), delay


def _expect_approved(
    proven: ProvenIntent, request: ClientOpeningRequest, chain: str, root: TrustRoot, document: Document, now: datetime
) -> int:
    facts = Facts(
        kind=request.kind,
        requester=request.requester,
        client=request.client,
        segregation=request.segregation,
        chain=chain,
        now=now,
    )
    decision = evaluate(document, facts, nothing_used)
    approvers, rejecters = _people(proven, request, root, now)
    refusal = verdict_of_people(decision, document, root, approvers, rejecters, request.requester)
    if refusal is not None:
        raise CosignerRefusal(Reason.OPENING_NOT_APPROVED, f"the opening of {request.client}: {refusal[1]}")
    return decision.obligations.delay_seconds


def verdict_of_people(
    decision: Decision,
    document: Document,
    root: TrustRoot,
    approvers: Iterable[str],
    rejecters: Iterable[str],
    requester: str,
) -> tuple[Reason, str] | None:
    """Why this decision and these people are not enough; ``None`` when they are."""
    if decision.outcome is Outcome.DENY:
        titles = ", ".join(rule.title for rule in decision.rules if rule.kind != "permit") or "nothing permits it"
        return Reason.POLICY_DENIES, f"policy denies it ({titles})"
    required = decision.obligations.approvals
    groups = {group: members_of(group, document, root) for group in required}
    no = sorted(person for person in rejecters if any(person in members for members in groups.values()))
    if no:
        return Reason.REJECTED, f"{no[0]} rejected it"
    tally = satisfied(decision.obligations, groups, approvers, initiator=requester)
    if not tally.met:
        missing = ", ".join(f"{count} of {group}" for group, count in sorted(tally.missing.items()))
        return Reason.APPROVALS_MISSING, f"approvals are missing: {missing}"
    return None


def members_of(group: str, document: Document, root: TrustRoot) -> frozenset[str]:
    """Who is in ``group``: by the policy, and by the trust root as well where that defines the group."""
    members = frozenset(document.groups.get(group, ()))
    return members & frozenset(root.groups[group]) if group in root.groups else members


def _people(
    proven: ProvenIntent, request: ClientOpeningRequest, root: TrustRoot, now: datetime
) -> tuple[set[str], set[str]]:
    said: dict[str, set[str]] = {"approve": set(), "reject": set()}
    for approval in proven.approvals:
        try:
            person = _check_when_given(approval, proven, request, root, now)
        except ApprovalRefused as error:
            raise CosignerRefusal(Reason.OPENING_NOT_APPROVED, f"the opening of {request.client}: {error}") from error
        said[approval.statement.verdict].add(person)
    return said["approve"], said["reject"]


def _check_when_given(
    approval: Approval, proven: ProvenIntent, request: ClientOpeningRequest, root: TrustRoot, now: datetime
) -> str:
    given_at = approval.statement.given_at
    if given_at > now + CLOCK_SKEW:
        raise ApprovalRefused("is not given yet", field="approval.statement.given_at")
    return check_approval(
        approval,
        digest=proven.intent.digest,
        requester=request.requester,
        request_not_after=request.not_after,
        root=root,
        now=given_at,
    )


def _expect_no_change(opening: KnownOpening, known: Iterable[KnownOpening]) -> None:
    for other in known:
        if other.client == opening.client and other.vault.keyset == opening.vault.keyset:
            if other.vault != opening.vault:
                raise CosignerRefusal(Reason.SECOND_BRANCH, f"client {opening.client} has vault {other.vault} already")
            if other.segregation != opening.segregation:
                raise CosignerRefusal(Reason.SECOND_OWNER, f"client {opening.client} was opened {other.segregation}")
        elif other.vault == opening.vault and "segregated" in (other.segregation, opening.segregation):
            raise CosignerRefusal(Reason.SECOND_OWNER, f"vault {opening.vault} belongs to client {other.client}")
