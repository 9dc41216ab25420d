"""What lies beside a request to change the rules: the version it names, its policy, and the new cosigners' word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custody.evidence import fields
from custody.evidence.keysets import check_consents
from custody.evidence.requests import RuleChange
from custody.evidence.signatures import Signature
from custody.evidence.succession import check_proposal
from custody.evidence.trust_root import TrustRoot
from policies.document import Document


@dataclass(frozen=True, slots=True)
class Proposal:
    """A version of the trust root that somebody proposes. Proves nothing by itself: the request names its hash."""

    root: TrustRoot
    policy: str
    """Exact text of the policy that it states."""
    signatures: tuple[Signature, ...] = ()
    """Over its hash, of every cosigner of every keyset that it adds."""
    consents: tuple[Signature, ...] = ()
    """Of the same cosigners, to the keysets' descriptors."""

    def to_json(self) -> dict[str, Any]:
        """The attachments ``parse`` reads."""
        return {
            "root": self.root.to_json(),
            "policy": self.policy,
            "signatures": [signature.to_json() for signature in self.signatures],
            "consents": [signature.to_json() for signature in self.consents],
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "attachments") -> Proposal:
        """Read it; ``signatures`` and ``consents`` may be left out. Raises ``InvalidInput``."""
        given = {"signatures": [], "consents": [], **value} if isinstance(value, Mapping) else value
        found = fields.exact_object(given, ("root", "policy", "signatures", "consents"), field=field)
        return cls(
            root=TrustRoot.parse(found["root"], field=f"{field}.root"),
            policy=fields.document(found["policy"], field=f"{field}.policy"),
            signatures=_signatures(found["signatures"], f"{field}.signatures"),
            consents=_signatures(found["consents"], f"{field}.consents"),
        )


def check_proposed(old: TrustRoot, request: RuleChange, proposal: Proposal, *, policy_before: str) -> Document:
    """Everything but who agrees: the very checks that cosigners make later. The policy that decides it.

    Raises ``SuccessionRefused`` or ``ProofRefused``.
    """
    before = check_proposal(
        old,
        request,
        proposal.root,
        policy_before=policy_before,
        policy_after=proposal.policy,
        signatures=proposal.signatures,
    )
    for keyset in proposal.root.keysets[len(old.keysets) :]:
        check_consents(keyset, proposal.consents)
    return before


def _signatures(value: object, field: str) -> tuple[Signature, ...]:
    return tuple(Signature.parse(item, field=field) for item in fields.array(value, field=field, limit=200))
