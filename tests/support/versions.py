"""Later versions of a test world's trust root: who asked, who agreed, and bundles made under the newest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from custody.evidence.bundle import Bundle
from custody.evidence.intents import in_the_house
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import PolicyChangeRequest, RuleChange, request_message
from custody.evidence.signatures import Signature, sign_ed25519
from custody.evidence.succession import RootLink
from custody.evidence.trust_root import TrustRoot
from policies.document import document_hash
from tests.cosigner.builders import NOW, World, approval, key_id, person_key
from tests.support.status import status_of


def relaxed(policy: str) -> str:
    """The demo's policy, where one operator is enough for a large payment."""
    return policy.replace(
        'amount: {above: "0.05 BTC"}}\n    approvals: {operators: 2}',
        'amount: {above: "0.05 BTC"}}\n    approvals: {operators: 1}',
    )


def slow(policy: str, delay: str = "1h") -> str:
    """The same policy, where changes of the rules also wait."""
    head, mark, tail = policy.rpartition("approvals: {operators: 2}")
    return f"{head}{mark}\n    delay: {delay}{tail}"


def change_request(
    new: TrustRoot, *, kind: type[RuleChange] = PolicyChangeRequest, now: datetime = NOW, **changes: Any
) -> RuleChange:
    """Alice asks for ``new`` to follow."""
    asked = kind(
        requester="alice",
        version=new.version,
        root=new.hash,
        subject="policy",
        purpose="as agreed",
        not_after=now + timedelta(days=2),
        idempotency_key=f"change-{new.hash[:16]}",
    )
    return replace(asked, **changes)


def prove_change(
    request: RuleChange,
    *,
    approvers: Iterable[str] = ("bob", "carol"),
    rejecters: Iterable[str] = (),
    now: datetime = NOW,
) -> ProvenIntent:
    """The intent, signed by its requester and approved."""
    intent = in_the_house(request)
    said = [(name, "approve") for name in approvers] + [(name, "reject") for name in rejecters]
    return ProvenIntent(
        intent,
        sign_ed25519(person_key(request.requester), key_id(request.requester), request_message(request)),
        tuple(
            approval(name, intent.digest, verdict=verdict, given_at=now, not_after=request.not_after)
            for name, verdict in said
        ),
    )


@dataclass(frozen=True)
class Versions:
    """A world and every version of its trust root."""

    world: World
    links: tuple[RootLink, ...] = ()
    policy: str = ""

    @classmethod
    def of(cls, world: World) -> Self:
        """Version 1 alone."""
        return cls(world, (), world.policy)

    @property
    def root(self) -> TrustRoot:
        """The newest."""
        return self.links[-1].root if self.links else self.world.root

    def draft(self, *, policy: str | None = None, now: datetime = NOW, **parts: Any) -> TrustRoot:
        """The next version with these parts, which nobody asked for yet."""
        text = self.policy if policy is None else policy
        following = {
            "version": self.root.version + 1,
            "previous": self.root.hash,
            "created_at": now,
            "policy_hash": document_hash(text),
        }
        return replace(self.root, **{**following, **parts})

    def then(
        self,
        *,
        policy: str | None = None,
        kind: type[RuleChange] = PolicyChangeRequest,
        approvers: Iterable[str] = ("bob", "carol"),
        rejecters: Iterable[str] = (),
        signatures: Callable[[TrustRoot], tuple[Signature, ...]] = lambda _root: (),
        asked: dict[str, Any] | None = None,
        now: datetime = NOW,
        **parts: Any,
    ) -> Self:
        """With one more version, asked for by alice."""
        new = self.draft(policy=policy, now=now, **parts)
        request = change_request(new, kind=kind, now=now, **(asked or {}))
        proven = prove_change(request, approvers=approvers, rejecters=rejecters, now=now)
        link = RootLink(new, self.policy, proven, signatures(new))
        return replace(self, links=(*self.links, link), policy=self.policy if policy is None else policy)

    def carry(self, bundle: Bundle, **status: Any) -> Bundle:
        """``bundle`` with these versions, and a statement that names the newest."""
        return replace(
            bundle,
            trust_root=self.world.signed_root,
            succession=self.links,
            policy=self.policy,
            status=status_of(self.root, **{"now": self.world.now, **status}),
        )

    def small(self, **status: Any) -> Bundle:
        """The plainest good bundle, under the newest version."""
        return self.carry(replace(self.world, policy=self.policy).small(), **status)

    def large(self, *, approvers: Iterable[str] = ("alice", "bob"), **status: Any) -> Bundle:
        """One that people had to approve."""
        return self.carry(replace(self.world, policy=self.policy).large(approvers=approvers), **status)
