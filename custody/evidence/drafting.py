"""Drafting the next version of the trust root, with the request that asks for it: nothing is signed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from custody.evidence.proposals import Proposal, check_proposed
from custody.evidence.requests import RULE_CHANGES, RuleChange
from custody.evidence.signatures import PublicKey, Signature
from custody.evidence.trust_root import Person, TrustRoot
from custody.kernel.errors import InvalidInput
from policies.document import document_hash, load_document


def draft(
    old: TrustRoot,
    *,
    kind: str,
    policy_before: str,
    policy_after: str,
    parts: Mapping[str, Any],
    closing: Mapping[str, Any],
    now: datetime,
    created_at: datetime | None = None,
    signatures: tuple[Signature, ...] = (),
    consents: tuple[Signature, ...] = (),
) -> tuple[RuleChange, Proposal]:
    """The version after ``old`` with these ``parts`` of its document, and the request for it.

    Groups are the new policy's. A key that an operator gets waits for the cooling period after ``not_after``.
    ``created_at`` is an earlier draft's, whose version is drafted again to the letter once cosigners have signed it.
    ``closing`` is how the request ends: requester, subject, purpose, not_after, idempotency_key. All of it is checked
    as signers will. Raises ``InvalidInput``, ``SuccessionRefused``, ``ProofRefused``.
    """
    groups = {
        group: list(old.groups[group]) if set(old.groups.get(group, ())) == set(members) else sorted(members)
        for group, members in load_document(policy_after).groups.items()
    }
    unknown = sorted(set(parts) - set(old.to_json()))
    if unknown:
        raise InvalidInput(f"no part of a trust root: {unknown[0]}", field="set")
    document = {**old.to_json(), "groups": groups, "policy_hash": document_hash(policy_after), **parts}
    document |= {"version": old.version + 1, "previous": old.hash}
    new = replace(TrustRoot.parse(document, field="set"), created_at=max(created_at or now, old.created_at))
    new = replace(new, cooling=_cooling(old, new, closing["not_after"]))
    asked = next((each for each in RULE_CHANGES if each.kind == kind), None)
    if asked is None:
        raise InvalidInput(f"accepted are {', '.join(each.kind for each in RULE_CHANGES)}", field="kind")
    request = asked(version=new.version, root=new.hash, **closing)
    proposal = Proposal(new, policy_after, signatures, consents)
    if len(new.keysets) == len(old.keysets) or signatures:
        # Of a keyset that is added, its cosigners sign the draft first.
        check_proposed(old, request, proposal, policy_before=policy_before)
    return request, proposal


def with_operator(old: TrustRoot, name: str, key: PublicKey) -> list[dict[str, Any]]:
    """The operators with one more, or with one more key of theirs."""
    people = {person.id: person for person in old.operators}
    present = people.get(name, Person(name, ()))
    people[name] = replace(present, keys=(*present.keys, key))
    return [person.to_json() for person in people.values()]


def without_operator(old: TrustRoot, name: str) -> list[dict[str, Any]]:
    """The operators without this one. Raises ``InvalidInput``."""
    if all(person.id != name for person in old.operators):
        raise InvalidInput("no operator of that name", field="remove-operator")
    return [person.to_json() for person in old.operators if person.id != name]


def without_key(old: TrustRoot, key_id: str) -> list[dict[str, Any]]:
    """The operators without this key or passkey. Raises ``InvalidInput``."""
    kept = [
        replace(
            person,
            keys=tuple(key for key in person.keys if key.id != key_id),
            credentials=tuple(each for each in person.credentials if each.id != key_id),
        )
        for person in old.operators
    ]
    if tuple(kept) == old.operators:
        raise InvalidInput("no key of that id", field="remove-key")
    return [person.to_json() for person in kept]


def _cooling(old: TrustRoot, new: TrustRoot, not_after: datetime) -> dict[str, datetime]:
    present, before = new.agreeing, old.agreeing
    kept = {key: moment for key, moment in new.cooling.items() if key in present}
    if not old.cooling_seconds:
        return kept
    return {**kept, **dict.fromkeys(sorted(present - before), not_after + timedelta(seconds=old.cooling_seconds))}
