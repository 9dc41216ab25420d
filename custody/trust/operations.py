"""Putting a trust root in force, and reading the one that is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot, TrustRootRefused, check_ceremony
from custody.kernel.canonical import canonical_json
from custody.kernel.errors import Conflict, Refused
from custody.trust.tables import TrustRootRow
from policies.document import Document, load_document


class NoTrustRoot(Refused):
    """The ceremony has not taken place: nothing can be asked for yet."""

    code = "no-trust-root"


class TrustRootExists(Conflict):
    """Another version 1 is in force."""

    code = "trust-root-exists"


@dataclass(frozen=True, slots=True)
class InForce:
    """The trust root and policy that count now."""

    signed: SignedTrustRoot
    policy_text: str
    policy: Document

    @property
    def root(self) -> TrustRoot:
        """The document without its signatures."""
        return self.signed.root


def install(session: Session, *, signed: SignedTrustRoot, policy_text: str, actor: str, now: datetime) -> None:
    """Put version 1 in force. Raises ``TrustRootRefused``, ``PolicyError`` or ``TrustRootExists``.

    Installing the very same document again changes nothing.
    """
    # Read again as it will be read from the row: what cannot be, must not be put in force.
    signed = SignedTrustRoot.parse(signed.to_json())
    root = check_ceremony(signed, now=now)
    policy = load_document(policy_text)
    if policy.hash != root.policy_hash:
        raise TrustRootRefused("states another policy", field="trust_root.policy_hash")
    if {group: set(members) for group, members in policy.groups.items()} != {
        group: set(members) for group, members in root.groups.items()
    }:
        raise TrustRootRefused("states other groups than the policy", field="trust_root.groups")
    present = session.execute(
        select(TrustRootRow.hash).where(TrustRootRow.version == root.version)
    ).scalar_one_or_none()
    if present == root.hash:
        return
    if present is not None:
        raise TrustRootExists("another version 1 is in force", field="trust_root.version")
    row = TrustRootRow(
        version=root.version, hash=root.hash, document=signed.to_json(), policy=policy_text, in_force_at=now
    )
    session.add(row)
    audit.record(session, event="trust.root_in_force", subject=root.hash, actor=actor, now=now)


def in_force(session: Session) -> InForce:
    """The newest version. Raises ``NoTrustRoot``. Parsed once per process and document."""
    row = session.execute(select(TrustRootRow).order_by(TrustRootRow.version.desc()).limit(1)).scalar_one_or_none()
    if row is None:
        raise NoTrustRoot("no trust root is in force; hold the ceremony first")
    return _parsed(canonical_json(row.document), row.policy)


@lru_cache(maxsize=8)
def _parsed(document: bytes, policy_text: str) -> InForce:
    value: Any = json.loads(document)
    return InForce(SignedTrustRoot.parse(value), policy_text, load_document(policy_text))
