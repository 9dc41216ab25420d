"""Asking for a client to be opened, and opening it once the policy's people agreed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.addresses.model import keeper
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.clients import operations as clients
from custody.clients import queries as parties
from custody.evidence.check import check_request
from custody.evidence.intents import Intent, VaultName
from custody.evidence.requests import ClientOpeningRequest
from custody.evidence.signatures import Signature
from custody.kernel.errors import InvalidInput, Refused
from custody.trust.operations import InForce
from custody.vaults import operations as vaults
from custody.vaults import queries as held
from custody.windows import operations as windows
from policies.facts import Facts

POOL: Final = {"segregated": "segregated", "omnibus": "pool"}


class OpeningDenied(Refused):
    """The policy does not permit this client to be opened."""

    code = "opening-denied"


@dataclass(frozen=True, slots=True)
class Opening:
    """Where an opening stands."""

    digest: str
    state: str
    client: str
    replayed: bool


def request_opening(
    session: Session,
    *,
    request: ClientOpeningRequest,
    signature: Signature,
    trust: InForce,
    now: datetime,
) -> Opening:
    """File the intent to open a client. Opens it at once where the policy asks for nobody.

    Raises ``RequestRefused``, ``InvalidInput`` (unknown keyset, or one that was left), ``OpeningDenied``,
    ``IdempotencyMismatch``.
    """
    check_request(request, signature, root=trust.root, now=now)
    before = approvals.earlier(session, request=request)
    if before is not None:
        return Opening(before.digest, before.state, before.client, replayed=True)
    keyset = trust.root.keyset(request.keyset)
    if keyset is None:
        raise InvalidInput("not a keyset of the trust root", field="request.keyset")
    newest = trust.root.newest_keyset(keyset.chain)
    if newest is not None and newest != keyset:
        raise InvalidInput(f"was left for a later one; accepted is {newest.id}", field="request.keyset")
    _expect_same_client(session, request)
    intent = Intent(request=request, chain=keyset.chain, vault=VaultName(request.keyset, request.branch))
    decision = windows.decide(session, policy=trust.policy, facts=opening_facts(request, keyset.chain, now))
    state = approvals.file_intent(
        session, intent=intent, signature=signature, decision=decision, client=request.client, now=now
    )
    if state == "denied":
        raise OpeningDenied(decision.denial, field="request")
    if state == "approved":
        complete(session, digest=intent.digest, now=now)
    return Opening(intent.digest, state, request.client, replayed=False)


def complete(session: Session, *, digest: str, now: datetime) -> None:
    """Open the client and its vault, and ask for a stock of addresses. Doing it again changes nothing.

    A client that is open already gets a further vault, of another keyset: on another chain, or a later one.
    """
    filed = intents.get(session, digest=digest, lock=True)
    request = filed.intent.request
    if filed.state != "approved" or not isinstance(request, ClientOpeningRequest):
        return
    if held.was_opened_by(session, client=request.client, opening=digest):
        return
    if not clients.is_open(session, client=request.client):
        clients.open_client(
            session,
            client=request.client,
            name=request.name,
            segregation=request.segregation,
            opening=digest,
            actor=request.requester,
            now=now,
        )
    vault = vaults.open_vault(
        session,
        keyset_id=request.keyset,
        branch=request.branch,
        kind=POOL[request.segregation],
        client=request.client,
        actor=request.requester,
        now=now,
        opening=digest,
    )
    addresses.request_restock(session, vault=vault.id, kept_for=keeper(vault.chain, request.client), now=now)


def _expect_same_client(session: Session, request: ClientOpeningRequest) -> None:
    """A further vault is for the client as it was opened."""
    if not clients.is_open(session, client=request.client):
        return
    known = parties.get(session, client=request.client)
    for field, said, is_so in (
        ("name", request.name, known.name),
        ("segregation", request.segregation, known.segregation),
    ):
        if said != is_so:
            raise InvalidInput(f"the client is open already, as {is_so}", field=f"request.{field}")
    there = [vault.id for vault in held.of_client(session, client=request.client) if vault.keyset == request.keyset]
    if there:
        raise InvalidInput(f"the client has vault {there[0]} of this keyset already", field="request.keyset")


def opening_facts(request: ClientOpeningRequest, chain: str, now: datetime) -> Facts:
    """What the policy sees of an opening; the cosigner builds the same facts from the same signed request."""
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=now,
        client=request.client,
        segregation=request.segregation,
        chain=chain,
    )
