"""How one version of the trust root follows another: version N+1 counts because N's quorum agreed to exactly it.

Signers pin a version and walk forward by themselves (as TUF clients walk roots). Each step is an intent: its kind says
what may differ between the two versions, so that nobody who agreed to enrol an operator agreed to a new policy too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from custody.evidence import fields
from custody.evidence.agreement import hear, shortfall
from custody.evidence.approvals import ApprovalRefused
from custody.evidence.authorship import FEWEST_WHO_READ
from custody.evidence.check import RequestRefused, check_author
from custody.evidence.intents import in_the_house
from custody.evidence.passkeys import Assertion
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import (
    GroupChangeRequest,
    KeysetChangeRequest,
    OperatorChangeRequest,
    PolicyChangeRequest,
    RootChangeRequest,
    RuleChange,
)
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import Person, TrustRoot
from custody.kernel.errors import Refused
from policies.document import Document, PolicyError, document_hash, load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used

FEWEST_PEOPLE: Final = 1
"""Besides the requester: nobody alone changes the rules, whatever a policy says."""


class SuccessionRefused(Refused):
    """A version of the trust root does not follow from the one before it."""

    code = "succession-refused"


@dataclass(frozen=True, slots=True)
class RootLink:
    """One version after the first, and what proves it."""

    root: TrustRoot
    policy: str
    """Exact text of the policy in force *before*, under which the change was decided."""
    proven: ProvenIntent
    signatures: tuple[Signature, ...]
    """Of every cosigner of every keyset that this version adds, over its hash."""

    def to_json(self) -> dict[str, Any]:
        """The object ``parse`` reads."""
        return {
            "root": self.root.to_json(),
            "policy": self.policy,
            "proven": self.proven.to_json(),
            "signatures": [signature.to_json() for signature in self.signatures],
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> RootLink:
        """Read it. Shape only. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("root", "policy", "proven", "signatures"), field=field)
        signatures = fields.array(found["signatures"], field=f"{field}.signatures", limit=200)
        return cls(
            root=TrustRoot.parse(found["root"], field=f"{field}.root"),
            policy=fields.document(found["policy"], field=f"{field}.policy"),
            proven=ProvenIntent.parse(found["proven"], field=f"{field}.proven"),
            signatures=tuple(Signature.parse(item, field=f"{field}.signatures") for item in signatures),
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One proved step."""

    root: TrustRoot
    proven: ProvenIntent
    """The intent that asked for it, and who agreed."""
    delay_seconds: int
    """How long policy makes it wait; the caller knows since when it has."""
    cooling_seconds: int = 0
    """For how long a key of an operator that is new in it must not count, by the version before it."""
    counts_from: datetime | None = None
    """When the first of the new keys counts by its own word; ``None`` where no key is new, or none has to cool."""

    @property
    def digest(self) -> str:
        """Of the intent that asked for it."""
        return self.proven.intent.digest

    def waits(self, *, seen: datetime) -> int:
        """How many seconds after ``seen``, when the caller first saw it, it may be gone by at the earliest.

        The times in a version are its requester's to choose. So where a new key would count before its cooling period,
        counted from ``seen``, is over, the whole version waits for as long.
        """
        is_early = self.counts_from is not None and self.counts_from < seen + timedelta(seconds=self.cooling_seconds)
        return max(self.delay_seconds, self.cooling_seconds) if is_early else self.delay_seconds


def walk(start: TrustRoot, links: Iterable[RootLink], *, newest_policy: str, now: datetime) -> Iterator[Step]:
    """Every version after ``start``, in order, each proved from the one before it. Raises ``SuccessionRefused``.

    Links up to ``start``'s own version are passed over: who pinned a version asks nothing about those before it.
    ``newest_policy`` is the text whose hash the last version states.
    """
    ahead = [link for link in links if link.root.version > start.version]
    texts = [*(link.policy for link in ahead), newest_policy]
    at = start
    for link, after in zip(ahead, texts[1:], strict=True):
        step = check_link(at, link, policy_after=after, now=now)
        yield step
        at = step.root


def check_link(old: TrustRoot, link: RootLink, *, policy_after: str, now: datetime) -> Step:
    """Prove that ``link.root`` follows ``old``. Raises ``SuccessionRefused`` naming what is wrong."""
    new, proven = link.root, link.proven
    request = proven.intent.request
    if not isinstance(request, RuleChange) or proven.intent != in_the_house(request):
        raise SuccessionRefused("is not asked for by a change of the rules", field="succession.proven.intent")
    before = check_proposal(
        old, request, new, policy_before=link.policy, policy_after=policy_after, signatures=link.signatures
    )
    delay = _check_agreed(request, link, old, before, now)
    return Step(new, proven, delay, old.cooling_seconds, _first_to_count(old, new))


def check_proposal(
    old: TrustRoot,
    request: RuleChange,
    new: TrustRoot,
    *,
    policy_before: str,
    policy_after: str,
    signatures: Iterable[Signature],
) -> Document:
    """Everything about ``new`` but who agreed to it: it may follow ``old`` once people do. The policy that decides it.

    ``signatures`` are of the cosigners that it adds. Raises ``SuccessionRefused`` naming what is wrong.
    """
    if new.version != old.version + 1 or new.previous != old.hash:
        raise SuccessionRefused("does not name the version before it", field="succession.root.previous")
    if (request.version, request.root) != (new.version, new.hash):
        raise SuccessionRefused("is not the version that was asked for", field="succession.root")
    if all(person.id != request.requester for person in old.operators):
        raise SuccessionRefused("is not asked for by an operator", field="succession.proven.intent.request.requester")
    before, after = _policy(policy_before, old), _policy(policy_after, new)
    _check_differences(request.kind, old, new, before, after)
    _check_cooling(request, old, new)
    _check_newcomers(old, new, signatures)
    return before


def differing(old: TrustRoot, new: TrustRoot) -> set[str]:
    """Names of the parts of the root that differ, apart from what differs in every version."""
    parts = {name: part for name, part in old.to_json().items() if name not in _ALWAYS}
    later = new.to_json()
    return {name for name, part in parts.items() if later[name] != part}


_ALWAYS: Final = {"format", "version", "created_at", "expires_at", "previous"}
_MAY_DIFFER: Final = {
    OperatorChangeRequest.kind: {"operators", "cooling", "groups", "policy_hash"},
    GroupChangeRequest.kind: {"groups", "policy_hash"},
    PolicyChangeRequest.kind: {"policy_hash"},
    KeysetChangeRequest.kind: {"keysets"},
    RootChangeRequest.kind: {
        *("name", "assets", "requesters", "services", "console", "cooling", "cooling_seconds", "prices"),
    },
}


def _policy(text: str, root: TrustRoot) -> Document:
    if document_hash(text) != root.policy_hash:
        raise SuccessionRefused(f"is not the policy of version {root.version}", field="succession.policy")
    try:
        document = load_document(text)
    except PolicyError as error:
        raise SuccessionRefused(f"cannot be read: {error}", field="succession.policy") from error
    if {group: set(members) for group, members in document.groups.items()} != {
        group: set(members) for group, members in root.groups.items()
    }:
        raise SuccessionRefused("states other groups than its trust root", field="succession.root.groups")
    return document


def may_differ(kind: str) -> frozenset[str]:
    """The fields of the trust root that a change of ``kind`` may change."""
    return frozenset(_MAY_DIFFER[kind] | _ALWAYS)


def _check_differences(kind: str, old: TrustRoot, new: TrustRoot, before: Document, after: Document) -> None:
    strange = sorted(differing(old, new) - _MAY_DIFFER[kind])
    if strange:
        raise SuccessionRefused(f"a {kind} changes {', '.join(strange)} as well", field="succession.root")
    if new.created_at < old.created_at:
        raise SuccessionRefused("is older than the version before it", field="succession.root.created_at")
    if new.keysets[: len(old.keysets)] != old.keysets:
        raise SuccessionRefused("edits or takes away a keyset", field="succession.root.keysets")
    if new.assets[: len(old.assets)] != old.assets:
        raise SuccessionRefused("edits or takes away an asset", field="succession.root.assets")
    if kind == OperatorChangeRequest.kind:
        _check_groups_lose_leavers(old, new)
        _check_roles_lose_leavers(old, new, before, after)
    if kind in (OperatorChangeRequest.kind, GroupChangeRequest.kind):
        _check_same_rules(kind, before, after)


def _check_groups_lose_leavers(old: TrustRoot, new: TrustRoot) -> None:
    leavers = {person.id for person in old.operators} - {person.id for person in new.operators}
    expected = {group: set(members) - leavers for group, members in old.groups.items()}
    if {group: set(members) for group, members in new.groups.items()} != expected:
        raise SuccessionRefused("changes a group by more than who leaves", field="succession.root.groups")


def _check_roles_lose_leavers(old: TrustRoot, new: TrustRoot, before: Document, after: Document) -> None:
    leavers = {person.id for person in old.operators} - {person.id for person in new.operators}
    if after.roles not in (before.roles, {role: members - leavers for role, members in before.roles.items()}):
        raise SuccessionRefused("changes a role by more than who leaves", field="succession.policy")


def _check_same_rules(kind: str, before: Document, after: Document) -> None:
    """Who the people are may change with this kind; what is asked of them, and which clients are which, may not."""
    if before.rules != after.rules:
        raise SuccessionRefused(f"a {kind} changes rules of the policy as well", field="succession.policy")
    if before.client_groups != after.client_groups:
        raise SuccessionRefused(f"a {kind} changes groups of clients as well", field="succession.policy")


def _check_cooling(request: RuleChange, old: TrustRoot, new: TrustRoot) -> None:
    """A key that is new counts no earlier than the cooling period after the last moment its change can be agreed to."""
    earliest = request.not_after + timedelta(seconds=old.cooling_seconds)
    added = new.agreeing - old.agreeing
    for key in sorted(added):
        if old.cooling_seconds and (key not in new.cooling or new.cooling[key] < earliest):
            raise SuccessionRefused(f"{key} would count too soon", field="succession.root.cooling")
    for key in sorted(old.agreeing & new.agreeing):
        if new.cooling.get(key) != old.cooling.get(key):
            raise SuccessionRefused(f"the cooling of {key} is changed", field="succession.root.cooling")
    reused = _keys(old).keys() & _keys(new).keys()
    if any(_keys(old)[key] != _keys(new)[key] for key in reused):
        raise SuccessionRefused("one name stands for another key than before", field="succession.root.operators")


def _first_to_count(old: TrustRoot, new: TrustRoot) -> datetime | None:
    added = new.agreeing - old.agreeing
    return min((new.cooling[key] for key in added if key in new.cooling), default=None)


def _check_newcomers(old: TrustRoot, new: TrustRoot, signatures: Iterable[Signature]) -> None:
    given = {signature.key: signature.signature for signature in signatures}
    message = bytes.fromhex(new.hash)
    for keyset in new.keysets[len(old.keysets) :]:
        for cosigner in keyset.cosigners:
            if cosigner.id not in given or not cosigner.verifies(message, given[cosigner.id]):
                raise SuccessionRefused(f"cosigner {cosigner.id} has not signed", field="succession.signatures")


def _check_agreed(request: RuleChange, link: RootLink, old: TrustRoot, before: Document, now: datetime) -> int:
    try:
        check_author(request, link.proven.request_signature, root=old, now=now)
        heard = hear(link.proven, root=old, now=now, passkeys=False)
    except (RequestRefused, ApprovalRefused) as error:
        raise SuccessionRefused(error.message, field=f"succession.proven.{error.field}") from error
    at = heard.last_at or now
    decision = evaluate(before, Facts(kind=request.kind, requester=request.requester, now=at), nothing_used)
    short = shortfall(decision, before, old, heard, requester=request.requester)
    if short is not None:
        raise SuccessionRefused(short[1], field="succession.proven.approvals")
    agreed = len(heard.approvers - {request.requester})
    if agreed < FEWEST_PEOPLE:
        raise SuccessionRefused("nobody but its requester agreed", field="succession.proven.approvals")
    if isinstance(link.proven.request_signature, Assertion) and agreed < FEWEST_WHO_READ:
        raise SuccessionRefused("was asked for by passkey and read by too few", field="succession.proven.approvals")
    return decision.obligations.delay_seconds


def _people(root: TrustRoot) -> Iterator[Person]:
    yield from root.operators
    yield from root.requesters


def _keys(root: TrustRoot) -> dict[str, str]:
    of_people = {key.id: key.public_key for person in _people(root) for key in person.keys}
    of_services = {key.id: key.public_key for service in root.services for key in service.keys}
    passkeys = {each.id: each.public_key for person in root.operators for each in person.credentials}
    return {**of_people, **of_services, **passkeys}


def with_policy(root: TrustRoot, text: str) -> TrustRoot:
    """``root`` stating the hash of ``text``."""
    return replace(root, policy_hash=document_hash(text))
