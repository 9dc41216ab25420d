"""Proving what this program is told, and saying what stands: whatever a daemon tells can only add to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.evidence import fields
from custody.evidence.agreement import hear, shortfall
from custody.evidence.announcement import Announcement, Waiting
from custody.evidence.approvals import Approval, check_approval
from custody.evidence.check import RequestRefused, check_author
from custody.evidence.intents import Intent, in_the_house
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import DestinationListingRequest, FreezeRequest, UnfreezeRequest
from custody.evidence.retractions import REVOCATION, SignedRetraction, check_retraction
from custody.evidence.signatures import sign_ed25519
from custody.evidence.status import EVERYTHING, SignedStatus, Status
from custody.evidence.succession import SuccessionRefused, walk
from custody.evidence.trust_root import TrustRoot
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput, Refused
from custody.statuskeeper.keeping import Entry, Keeping
from policies.decision import Decision
from policies.document import Document, load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used

FREEZE, UNFREEZE, REVOKED, WITHDRAWN = "freeze", "unfreeze", "revoked", "withdrawn"
PAYMENTS: Final = ("withdrawal", "respend", "stray_return", "sweep")
MOST_WORDS: Final = 5_000
"""Of a daemon's: a statement has room for twice as many."""


class NotTaken(Refused):
    """What was told is not by who may say it, or not enough."""

    code = "not-taken"


@dataclass(frozen=True, slots=True)
class Keeper:
    """One status service with its list and its key."""

    service: str
    key_id: str
    key: Ed25519PrivateKey
    keeping: Keeping

    @property
    def root(self) -> TrustRoot:
        """The newest version of the trust root that was proved here."""
        return self._newest()[0]

    def tell(self, value: object, *, now: datetime) -> list[str]:
        """Prove a signed document and keep it; what is new of it, in words. Raises ``Refused`` or ``InvalidInput``."""
        root, document = self._newest()
        entries = list(_entries(value, root, document, self.keeping.entries(), now))
        with self.keeping.exclusive():
            return [f"{entry.kind} {_subject(entry)}" for entry in entries if self.keeping.add(entry)]

    def follow(self, told: Announcement, *, now: datetime) -> list[int]:
        """Walk to the versions that were proved and whose delay, counted here, is over; their numbers."""
        root, _ = self._newest()
        ahead = [link for link in told.succession if link.root.version > root.version]
        texts = [*(link.policy for link in ahead[1:]), told.policy] if ahead else []
        taken: list[int] = []
        with self.keeping.exclusive():
            for waiting in told.intents:
                if _is_asked_for(waiting, root, now):
                    self.keeping.note_seen(waiting.intent.digest, now=now)
            for step, text in zip(walk(root, told.succession, newest_policy=told.policy, now=now), texts, strict=True):
                self.keeping.note_seen(step.digest, now=now)
                since = self.keeping.first_seen(step.digest) or now
                if step.digest in self._withdrawn() or now < since + timedelta(seconds=step.waits(seen=since)):
                    break
                if _revoked(self.keeping.entries()) & _keys_behind(step.proven):
                    break
                self.keeping.add_version(step.root, text, now=now)
                taken.append(step.root.version)
        return taken

    def state(self, *, lifetime: timedelta, now: datetime, withdrawn: Iterable[str] = ()) -> SignedStatus:
        """A statement of what stands now. ``withdrawn`` is a daemon's word: it adds, and is forgotten afterwards."""
        root, _ = self._newest()
        entries = self.keeping.entries()
        words = sorted(set(withdrawn))[:MOST_WORDS]
        with self.keeping.exclusive():
            status = Status(
                number=self.keeping.next_number(now=now),
                at=now,
                not_after=now + lifetime,
                version=root.version,
                root=root.hash,
                revoked=tuple(sorted(_revoked(entries))),
                frozen=tuple(_frozen(entries, now)),
                withdrawn=tuple(sorted({*_withdrawn(entries, now), *words})),
            )
            self.keeping.note_stated(status.number, status.to_json(), now=now)
        return SignedStatus(status, self.service, sign_ed25519(self.key, self.key_id, status.message))

    def _newest(self) -> tuple[TrustRoot, Document]:
        versions = self.keeping.versions()
        if not versions:
            raise NotTaken("no trust root is pinned", field="trust_root")
        root, text = versions[-1]
        return root, load_document(text)

    def _withdrawn(self) -> set[str]:
        return {entry.body["digest"] for entry in self.keeping.entries() if entry.kind == WITHDRAWN}


def _entries(
    value: object, root: TrustRoot, document: Document, told: Collection[Entry], now: datetime
) -> Iterable[Entry]:
    if isinstance(value, Mapping) and "retraction" in value:
        yield _retracted(SignedRetraction.parse(value, field="told"), root, now)
    elif isinstance(value, Mapping) and "approval" in value:
        yield _rejected(value, root, now)
    elif isinstance(value, Mapping) and "delisting" in value:
        yield _delisted(value, root, document, now)
    else:
        proven = ProvenIntent.parse(value, field="told")
        if all(entry.name != proven.intent.digest for entry in told):
            yield _stopped(proven, root, document, told, now)


def _retracted(signed: SignedRetraction, root: TrustRoot, now: datetime) -> Entry:
    check_retraction(signed, root=root)
    said = signed.retraction
    if said.kind == REVOCATION:
        return Entry(f"revoked {said.subject}", REVOKED, {"key": said.subject, "by": said.by}, now)
    assert signed.intent is not None
    return _withdrawal_of(signed.intent, said.by, now)


def _rejected(value: Mapping[str, Any], root: TrustRoot, now: datetime) -> Entry:
    """A no of anybody whom the trust root has in a group ends an intent, whatever else it would have needed."""
    found = fields.exact_object(value, ("intent", "approval"), field="told")
    intent = Intent.parse(found["intent"], field="told.intent")
    approval = Approval.parse(found["approval"], field="told.approval")
    request = intent.request
    person = check_approval(
        approval,
        digest=intent.digest,
        requester=request.requester,
        request_not_after=request.not_after,
        root=root,
        now=min(now, approval.statement.not_after),
    )
    if approval.statement.verdict != "reject":
        raise NotTaken("takes nothing back", field="told.approval.statement.verdict")
    if not any(person in members for members in root.groups.values()):
        raise NotTaken(f"{person} is in no group", field="told.approval.statement.approver")
    return _withdrawal_of(intent, person, now)


def _delisted(value: Mapping[str, Any], root: TrustRoot, document: Document, now: datetime) -> Entry:
    """A destination taken off a list by who may ask for it and whoever has to agree: its listing counts no more."""
    found = fields.exact_object(value, ("listing", "delisting"), field="told")
    listing = Intent.parse(found["listing"], field="told.listing")
    proven = ProvenIntent.parse(found["delisting"], field="told.delisting")
    put, taken = listing.request, proven.intent.request
    if not isinstance(put, DestinationListingRequest) or not isinstance(taken, DestinationListingRequest):
        raise NotTaken("is about no list of destinations", field="told.listing.kind")
    places = [(each.client, each.chain, each.destination) for each in (put, taken)]
    if (put.action, taken.action) != ("list", "delist") or places[0] != places[1] or listing != in_the_house(put):
        raise NotTaken("does not take this listing back", field="told.delisting")
    check_author(taken, proven.request_signature, root=root, now=now)
    heard = hear(proven, root=root, now=now)
    facts = Facts(
        kind=taken.kind, requester=taken.requester, now=heard.last_at or now, client=taken.client, chain=taken.chain
    )
    short = shortfall(evaluate(document, facts, nothing_used), document, root, heard, requester=taken.requester)
    # What this program does not know of a client only keeps the policy from permitting it.
    if short is not None and short[0] != "denied":
        raise NotTaken(short[1], field="told.delisting.approvals")
    return _withdrawal_of(listing, taken.requester, now)


def _stopped(
    proven: ProvenIntent, root: TrustRoot, document: Document, told: Collection[Entry], now: datetime
) -> Entry:
    request = proven.intent.request
    if not isinstance(request, FreezeRequest | UnfreezeRequest) or proven.intent != in_the_house(request):
        raise NotTaken("neither stops anything nor takes anything back", field="told.intent.kind")
    if all(person.id != request.requester for person in root.operators):
        raise NotTaken("is not asked for by an operator", field="told.intent.request.requester")
    check_author(request, proven.request_signature, root=root, now=now)
    body: dict[str, Any] = {"name": _name_of(request), "by": request.requester}
    if isinstance(request, FreezeRequest):
        # One operator stops; whoever policy asks to agree agrees afterwards, or lifts it.
        return Entry(proven.intent.digest, FREEZE, body, now)
    if _keys_behind(proven) & _revoked(told):
        raise NotTaken("is asked for or agreed to with a key that counts no more", field="told.approvals")
    if now > request.not_after:
        raise NotTaken("has expired", field="told.intent.request.not_after")
    heard = hear(proven, root=root, now=now)
    decision = _decision(request, document, heard.last_at or now)
    short = shortfall(decision, document, root, heard, requester=request.requester)
    if short is not None:
        raise NotTaken(short[1], field="told.approvals")
    if not heard.approvers - {request.requester}:
        raise NotTaken("nobody but its requester agreed", field="told.approvals")
    first = min(approval.statement.given_at for approval in proven.approvals)
    over = now + timedelta(seconds=decision.obligations.delay_seconds)
    return Entry(proven.intent.digest, UNFREEZE, {**body, "since": rfc3339(first), "over": rfc3339(over)}, now)


def _decision(request: UnfreezeRequest, document: Document, at: datetime) -> Decision:
    return evaluate(document, Facts(kind=request.kind, requester=request.requester, now=at), nothing_used)


def _frozen(entries: Collection[Entry], now: datetime) -> list[str]:
    """Every stop that no later agreement has lifted: people who agreed before it was told agreed to something else.

    One that was vetoed before its delay was over lifts nothing. A stop stands whoever says no to it: that would be
    letting go by one.
    """
    stopped: dict[str, datetime] = {}
    vetoed = {entry.body["digest"]: entry.at for entry in entries if entry.kind == WITHDRAWN}
    for entry in entries:
        name = entry.body.get("name", "")
        if entry.kind == FREEZE:
            stopped[name] = entry.at
        elif entry.kind == UNFREEZE and name in stopped:
            since = parse_rfc3339(entry.body["since"], field="told.since")
            over = parse_rfc3339(entry.body["over"], field="told.over")
            is_vetoed = entry.name in vetoed and vetoed[entry.name] < over
            if since > stopped[name] and now >= over and not is_vetoed:
                del stopped[name]
    return sorted(stopped)


def _withdrawn(entries: Iterable[Entry], now: datetime) -> set[str]:
    """A payment whose time is over can be presented no more; anything else outlives its request."""
    return {
        entry.body["digest"]
        for entry in entries
        if entry.kind == WITHDRAWN
        and (entry.body["kind"] not in PAYMENTS or now < parse_rfc3339(entry.body["not_after"], field="told.not_after"))
    }


def _withdrawal_of(intent: Intent, by: str, now: datetime) -> Entry:
    body = {
        "digest": intent.digest,
        "kind": intent.kind,
        "not_after": rfc3339(intent.request.not_after + timedelta(days=1)),
        "by": by,
    }
    return Entry(f"withdrawn {intent.digest}", WITHDRAWN, body, now)


def _name_of(request: FreezeRequest | UnfreezeRequest) -> str:
    if request.scope != EVERYTHING:
        return f"{request.scope}:{request.subject}"
    if request.subject != EVERYTHING:
        raise InvalidInput(f"accepted is {EVERYTHING}", field="told.intent.request.subject")
    return EVERYTHING


def _revoked(entries: Iterable[Entry]) -> set[str]:
    return {entry.body["key"] for entry in entries if entry.kind == REVOKED}


def _keys_behind(proven: ProvenIntent) -> set[str]:
    return {proven.request_signature.key, *(approval.signature.key for approval in proven.approvals)}


def _is_asked_for(waiting: Waiting, root: TrustRoot, now: datetime) -> bool:
    try:
        check_author(waiting.intent.request, waiting.request_signature, root=root, now=now)
    except RequestRefused:
        return False
    return True


def _subject(entry: Entry) -> str:
    return str(entry.body.get("name") or entry.body.get("key") or entry.body.get("digest"))


__all__ = ["Keeper", "NotTaken", "SuccessionRefused"]
