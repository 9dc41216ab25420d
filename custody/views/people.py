"""Whose word counts: operators with their keys and passkeys, groups and what is asked of them, and every version."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.evidence.changes import differences_in_words
from custody.evidence.codes import digest_code
from custody.evidence.trust_root import Person, TrustRoot
from custody.kernel.errors import NotFound
from custody.operators import queries as operators
from custody.trust import history
from custody.trust.operations import InForce
from custody.views import vaults
from policies.document import Document
from policies.rules.require import Require


class UnknownVersion(NotFound):
    """No version of the trust root of that number."""

    code = "unknown-version"


def people_view(session: Session, trust: InForce, *, now: datetime) -> dict[str, Any]:
    """Everybody whose word or key counts or soon may, groups with their need, and the versions, newest first."""
    root, locked, used = trust.root, operators.locked(session), operators.used(session)
    pinned = {each.id for person in root.operators for each in person.credentials}
    return {
        "operators": [_operator(person, root, locked, used, now) for person in root.operators],
        "candidates": [
            {
                "operator": each.operator,
                "code": digest_code(each.credential.fingerprint),
                "registered_at": each.registered_at,
            }
            for each in operators.candidates(session)
            if each.credential.id not in pinned
        ],
        "invitations": [
            {"operator": row.operator, "by": row.actor or "", "made_at": row.created_at, "expires_at": row.expires_at}
            for row in session.execute(_INVITED, {"now": now})
        ],
        "cosigners": _cosigners(session),
        "groups": groups_view(root, trust.policy, locked=locked, now=now),
        "requesters": [_others(person.id, len(person.keys), "asks") for person in root.requesters],
        "services": [_others(each.id, len(each.keys), ", ".join(each.roles)) for each in root.services],
        "versions": _versions(session, trust),
        "expires_at": root.expires_at,
        "cooling_seconds": root.cooling_seconds,
    }


def groups_view(root: TrustRoot, policy: Document, *, locked: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """Each group: its members, how many of them can speak now, and the most that a rule asks of it.

    Who asks for something never counts for it, so a member who asks takes one more person.
    """
    able = {person.id for person in root.operators if _means(person, root, locked, now)}
    shown = []
    for group, members in sorted(root.groups.items()):
        need = max(
            (rule.obligations.approvals.get(group, 0) for rule in policy.rules if isinstance(rule, Require)), default=0
        )
        speak = len(able.intersection(members))
        shown.append({"group": group, "members": sorted(members), "can_speak": speak, "need": need})
    return shown


def _means(person: Person, root: TrustRoot, locked: Collection[str], now: datetime) -> bool:
    every = [*(key.id for key in person.keys), *(each.id for each in person.credentials)]
    return any(root.counts(each, now) and each not in locked for each in every)


def _operator(
    person: Person,
    root: TrustRoot,
    locked: Collection[str],
    used: Mapping[str, datetime | None],
    now: datetime,
) -> dict[str, Any]:
    credentials = [
        {
            "means": "passkey",
            "name": digest_code(each.fingerprint),
            "standing": _standing(each.id, root, locked, now),
            "counts_from": root.cooling.get(each.id),
            "used_at": used.get(each.id),
        }
        for each in person.credentials
    ]
    keys = [
        {
            "means": "key",
            "name": key.id,
            "standing": _standing(key.id, root, locked, now),
            "counts_from": root.cooling.get(key.id),
            "used_at": None,
        }
        for key in person.keys
    ]
    return {
        "id": person.id,
        "groups": sorted(group for group, members in root.groups.items() if person.id in members),
        "credentials": [*credentials, *keys],
    }


def _standing(name: str, root: TrustRoot, locked: Collection[str], now: datetime) -> str:
    if name in locked:
        return "locked"
    return "counts" if root.counts(name, now) else "cooling"


# Who invited stands in the log alone, at the same moment.
_INVITED: Final = text(
    """
    SELECT i.operator, i.created_at, i.expires_at, (
      SELECT a.actor FROM audit_events a
      WHERE a.subject = i.operator AND a.event = 'console.invited' AND a.at = i.created_at
      ORDER BY a.sequence DESC LIMIT 1
    ) AS actor
    FROM console_invitations i WHERE i.used_at IS NULL AND i.expires_at > :now ORDER BY i.expires_at, i.operator
    """
)


def _cosigners(session: Session) -> list[dict[str, Any]]:
    """Each keyset's cosigners, a line each, with how many of them sign."""
    return [
        each
        | {"keyset": keyset["id"], "chain": keyset["chain"], "signs": f"{keyset['threshold']} of {keyset['members']}"}
        for keyset in vaults.keysets(session)
        for each in keyset["cosigners"]
    ]


def version_view(session: Session, trust: InForce, *, version: int) -> dict[str, Any]:
    """One version of the trust root: who agreed to it, and everything it changed of the one before, in words.

    Raises ``UnknownVersion``.
    """
    shown = next((each for each in _versions(session, trust) if each["version"] == version), None)
    if shown is None:
        raise UnknownVersion("no version of that number came into force", field="version")
    roots = {root.version: root for root in trust.roots}
    changes: list[str] = []
    if version - 1 in roots:
        texts = history.policies(session, versions=(version - 1, version))
        before, after = texts.get(version - 1, ""), texts.get(version, "")
        changes = differences_in_words(roots[version - 1], roots[version], policy_before=before, policy_after=after)
    return shown | {"hash": roots[version].hash, "expires_at": roots[version].expires_at, "changes": changes}


def _others(name: str, keys: int, what: str) -> dict[str, Any]:
    return {"id": name, "keys": keys, "what": what}


def _versions(session: Session, trust: InForce) -> list[dict[str, Any]]:
    since = history.in_force_since(session)
    first = trust.signed
    shown = [
        {
            "version": first.root.version,
            "code": digest_code(first.root.hash),
            "kind": "ceremony",
            "requester": "",
            "agreed": tuple(sorted(signature.key for signature in first.signatures)),
            "in_force_at": since.get(first.root.version),
            "digest": None,
        }
    ]
    for link in trust.links:
        request = link.proven.intent.request
        shown.append(
            {
                "version": link.root.version,
                "code": digest_code(link.root.hash),
                "kind": request.kind,
                "requester": request.requester,
                "agreed": tuple(
                    sorted(
                        {
                            approval.statement.approver
                            for approval in link.proven.approvals
                            if approval.statement.verdict == "approve"
                        }
                    )
                ),
                "in_force_at": since.get(link.root.version),
                "digest": link.proven.intent.digest,
            }
        )
    return list(reversed(shown))
