"""Putting a version of the trust root in force, and reading the one that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.events import operations as events
from custody.evidence.proven import ProvenIntent
from custody.evidence.succession import RootLink, check_link
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot, TrustRootRefused, check_ceremony
from custody.kernel.canonical import parse_json
from custody.kernel.clock import rfc3339
from custody.kernel.errors import Conflict, Refused
from custody.operators import operations as operators
from custody.outbox import operations as outbox
from custody.trust.tables import TrustRootRow
from policies.document import Document, load_document

IN_FORCE: Final = "trust.in_force"
"""Another version counts from now on: whatever waits is judged again."""
TOLD_AS: Final = "trust-root"
"""The one object of the events about it: its versions follow each other."""
ASSETS_SEEN: Final = "assets_seen"
"""Where a unit remembers the registered assets; another version makes it look again."""
_LARGEST_ROW: Final = 16_000_000


class NoTrustRoot(Refused):
    """The ceremony has not taken place: nothing can be asked for yet."""

    code = "no-trust-root"


class TrustRootExists(Conflict):
    """Another version 1 is in force."""

    code = "trust-root-exists"


@dataclass(frozen=True, slots=True)
class InForce:
    """The trust root and policy that count now, and every version before."""

    signed: SignedTrustRoot
    """Version 1 with its ceremony."""
    policy_text: str
    policy: Document
    links: tuple[RootLink, ...] = ()
    """Every version after the first, in order."""
    since: tuple[datetime, ...] = ()
    """When each version came into force, in order."""

    @property
    def root(self) -> TrustRoot:
        """The newest version."""
        return self.links[-1].root if self.links else self.signed.root

    @property
    def roots(self) -> tuple[TrustRoot, ...]:
        """Every version, the newest first."""
        return (*(link.root for link in reversed(self.links)), self.signed.root)

    def root_at(self, at: datetime) -> TrustRoot:
        """The version in force at ``at``, the first one for any time before it."""
        versions = zip(reversed(self.since), self.roots, strict=True)
        return next((root for since, root in versions if since <= at), self.signed.root)

    def joined(self, person: str) -> dict[str, datetime]:
        """Each group that ``person`` is in now, to when the first version that says so came into force.

        Before the first version there was nothing, so whatever is older was asked for under it.
        """
        own = [group for group, members in self.root.groups.items() if person in members]
        found: dict[str, datetime] = {}
        for at, root in zip(self.since, reversed(self.roots), strict=True):
            for group in own:
                if person in root.groups.get(group, ()):
                    found.setdefault(group, datetime.min.replace(tzinfo=UTC) if root.version == 1 else at)
        return found


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
    _tell(session, row, actor, "", now)


def succeed(
    session: Session, *, link: RootLink, policy_text: str, actor: str, correlation_id: str, now: datetime
) -> None:
    """Put the next version in force: it follows the newest by that one's own people. Its delay is the caller's to keep.

    Raises ``SuccessionRefused``; then nothing is written. The same version again changes nothing.
    """
    hold(session)
    link = RootLink.parse(link.to_json(), field="succession")
    current = in_force(session)
    if current.root.hash == link.root.hash:
        return
    step = check_link(current.root, link, policy_after=policy_text, now=now)
    row = TrustRootRow(
        version=step.root.version,
        hash=step.root.hash,
        document=SignedTrustRoot(step.root, link.signatures).to_json(),
        policy=policy_text,
        proven=link.proven.to_json(),
        in_force_at=now,
    )
    session.add(row)
    session.flush()
    _close_doors(session, current.root, step.root, now)
    facts = {"version": step.root.version, "digest": step.digest, "kind": link.proven.intent.kind}
    audit.record(session, event="trust.root_in_force", subject=step.root.hash, actor=actor, now=now, facts=facts)
    payload = {"version": step.root.version}
    outbox.emit(session, topic=IN_FORCE, payload=payload, correlation_id=correlation_id, now=now)
    _tell(session, row, actor, correlation_id, now)


def _close_doors(session: Session, before: TrustRoot, after: TrustRoot, now: datetime) -> None:
    """Whoever lost a passkey by the new version, or is no operator any more, is let in no longer, nor invited."""
    for person in before.operators:
        is_gone = all(person.id != other.id for other in after.operators)
        if is_gone or any(after.operator_credential(person.id, each.id) is None for each in person.credentials):
            operators.close_doors(session, operator=person.id, now=now)


def _tell(session: Session, row: TrustRootRow, actor: str, correlation_id: str, now: datetime) -> None:
    session.info.pop(ASSETS_SEEN, None)
    events.publish(
        session,
        kind="trust_root",
        subject=TOLD_AS,
        event="in_force",
        data={"version": row.version, "hash": row.hash, "in_force_at": rfc3339(now)},
        client=None,
        actor=actor,
        correlation_id=correlation_id,
        now=now,
    )


def hold(session: Session) -> None:
    """Hold the succession to the end of the unit: versions come into force one after the other."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('trust-root', 0))"))


def hold_still(session: Session) -> None:
    """No version comes into force before the end of the unit; many may hold this at once."""
    session.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended('trust-root', 0))"))


def in_force(session: Session) -> InForce:
    """The newest version. Raises ``NoTrustRoot``. Parsed once per process and document."""
    rows = session.execute(_AS_STORED).all()
    if not rows:
        raise NoTrustRoot("no trust root is in force; hold the ceremony first")
    return _read(tuple((row.document, row.policy, row.proven, row.in_force_at) for row in rows))


_AS_STORED: Final = select(
    cast(TrustRootRow.document, Text).label("document"),
    TrustRootRow.policy,
    cast(TrustRootRow.proven, Text).label("proven"),
    TrustRootRow.in_force_at,
).order_by(TrustRootRow.version)
"""As text: every call compares it with what was read before, and only what is new is taken apart."""
_Row = tuple[str, str, str | None, datetime]
"""A version's document, policy text and proof as they are stored, and since when it is in force."""


@lru_cache(maxsize=8)
def _read(rows: tuple[_Row, ...]) -> InForce:
    first, *_ = rows
    links = [_link(before, row) for before, row in pairwise(rows)]
    policy_text = rows[-1][1]
    since = tuple(row[3] for row in rows)
    return InForce(_signed(first[0]), policy_text, load_document(policy_text), tuple(links), since)


def _link(before: _Row, row: _Row) -> RootLink:
    signed = _signed(row[0])
    proven = ProvenIntent.parse(_json(row[2]), field="trust_roots.proven")
    return RootLink(signed.root, before[1], proven, signed.signatures)


@lru_cache(maxsize=64)
def _signed(document: str) -> SignedTrustRoot:
    return SignedTrustRoot.parse(_json(document))


def _json(document: str | None) -> object:
    found: object = None if document is None else parse_json(document, field="trust_roots", limit_bytes=_LARGEST_ROW)
    return found


def newest_version(session: Session) -> int:
    """Number of the version in force; 0 before there is one."""
    return session.execute(select(func.coalesce(func.max(TrustRootRow.version), 0))).scalar_one()


def versions(session: Session) -> Sequence[tuple[int, str, datetime]]:
    """Number, hash and moment of every version that came into force, oldest first."""
    rows = session.execute(
        select(TrustRootRow.version, TrustRootRow.hash, TrustRootRow.in_force_at).order_by(TrustRootRow.version)
    )
    return [(row.version, row.hash, row.in_force_at) for row in rows]
