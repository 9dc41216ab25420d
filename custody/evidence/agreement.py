"""Whether the people a decision asks for agreed to an intent: pure, shared by the daemon and the cosigner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from custody.evidence.approvals import CLOCK_SKEW, ApprovalRefused, check_approval
from custody.evidence.proven import ProvenIntent
from custody.evidence.trust_root import TrustRoot
from policies.decision import Decision, Outcome
from policies.document import Document
from policies.tally import satisfied, whose_word_counts


@dataclass(frozen=True, slots=True)
class Heard:
    """Who said what of one intent, every statement checked, and when the last of them spoke."""

    approvers: frozenset[str]
    rejecters: frozenset[str]
    last_at: datetime | None


def hear(proven: ProvenIntent, *, root: TrustRoot, now: datetime, passkeys: bool = True) -> Heard:
    """Check every approval in ``proven`` as of the moment it was given. Raises ``ApprovalRefused``.

    For what outlives its approvals: openings, listings, versions of the trust root.
    """
    said: dict[str, set[str]] = {"approve": set(), "reject": set()}
    request = proven.intent.request
    for approval in proven.approvals:
        given_at = approval.statement.given_at
        if given_at > now + CLOCK_SKEW:
            raise ApprovalRefused("is not given yet", field="approval.statement.given_at")
        person = check_approval(
            approval,
            digest=proven.intent.digest,
            requester=request.requester,
            request_not_after=request.not_after,
            root=root,
            now=given_at,
            passkeys=passkeys,
        )
        said[approval.statement.verdict].add(person)
    last = max((approval.statement.given_at for approval in proven.approvals), default=None)
    return Heard(frozenset(said["approve"]), frozenset(said["reject"]), last)


def members_of(group: str, document: Document, root: TrustRoot) -> frozenset[str]:
    """Who is in ``group``: by the policy, and by the trust root as well where that defines the group."""
    members = frozenset(document.groups.get(group, ()))
    return members & frozenset(root.groups[group]) if group in root.groups else members


def shortfall(
    decision: Decision, document: Document, root: TrustRoot, heard: Heard, *, requester: str
) -> tuple[str, str] | None:
    """Why this decision and these people are not enough: ``denied``, ``rejected`` or ``missing``, and in words."""
    if decision.outcome is Outcome.DENY:
        titles = ", ".join(rule.title for rule in decision.rules if rule.kind != "permit") or "nothing permits it"
        return "denied", f"policy denies it ({titles})"
    groups = {group: members_of(group, document, root) for group in decision.obligations.approvals}
    no = sorted(heard.rejecters & whose_word_counts(decision.obligations, groups, document.roles))
    if no:
        return "rejected", f"{no[0]} rejected it"
    tally = satisfied(decision.obligations, groups, heard.approvers, initiator=requester, roles=document.roles)
    return None if tally.met else ("missing", f"approvals are missing: {tally.missing_words}")
