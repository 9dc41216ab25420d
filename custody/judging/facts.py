"""The facts of a request that moves money, as the daemon knows them: one way to put them together for every kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.approvals import queries as intents
from custody.clients.queries import Client
from custody.evidence import marks
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import RespendRequest, StrayReturnRequest, SweepRequest, WithdrawalRequest
from custody.evidence.statements import SignedStatement
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset
from custody.listings import queries as listings
from custody.prices import queries as prices
from custody.screenings import queries as screenings
from custody.vaults.model import Vault
from policies.facts import Facts

Moving = WithdrawalRequest | RespendRequest | StrayReturnRequest | SweepRequest
"""What moves money, or keeps it from moving."""

NO_PLEDGES: Final = "none"
"""Nothing can be pledged yet, so no client has collateral to keep."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where it goes, as the policy sees it. ``text`` is what a limit per destination counts under."""

    standing: str
    """``listed``, ``cooling``, ``new`` or ``own``."""
    text: str
    code: str | None
    """``plain`` or ``contract``; None where nobody looked."""
    is_outside: bool = True
    """Whether it is somebody else's, who can be screened."""


def outside(session: Session, *, client: str, chain: str, address: str, locator: bytes, now: datetime) -> Place:
    """A destination as its request names it: an address of ours, which nobody has screened, or as it stands on the
    client's list at ``now``.
    """
    code = listings.code_of(session, chain=chain, locator=locator)
    if addresses.by_locators(session, [locator]):
        return Place("own", address, code, is_outside=False)
    listed = listings.standing(session, client=client, chain=chain, locator=locator)
    return Place("new" if listed is None else listed.standing(now), address, code)


def listings_behind(session: Session, *, client: str, chain: str, locator: bytes) -> tuple[ProvenIntent, ...]:
    """What proves to a cosigner that the destination is on the client's list; nothing where it is not."""
    listed = listings.standing(session, client=client, chain=chain, locator=locator)
    return () if listed is None else (intents.proven(session, digest=listed.digest),)


def into(vault: Vault) -> Place:
    """The vault the money is in already."""
    return Place("own", vault.id, None, is_outside=False)


def facts_of(
    session: Session,
    *,
    request: Moving,
    place: Place,
    chain: str,
    client: Client,
    vault: Vault | None,
    root: TrustRoot,
    now: datetime,
    earlier: Facts | None = None,
) -> Facts:
    """Everything the policy may read of ``request`` on ``chain``, as of ``now``.

    ``vault`` is the one whose books matter, if any; ``earlier`` what was known when it was asked for, so that a price
    that moved since counts with both values. Raises ``InvalidInput`` where the asset is not registered.
    """
    asset = registered(root, request.asset)
    price = prices.quote(session, asset=asset.id, root=root, now=now)
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=now,
        client=client.id,
        client_status=client.status,
        segregation=client.segregation,
        asset=asset.code,
        decimals=asset.decimals,
        chain=chain,
        destination=place.standing,
        destination_code=place.code,
        destination_text=place.text,
        amount_units=request.amount,
        usd_micros=price.worth(request.amount, decimals=asset.decimals),
        usd_micros_asked=None if earlier is None else earlier.usd_micros,
        price_state=price.state,
        price_age_seconds=price.age_seconds,
        screening=_screening(session, place, chain, root, now),
        collateral=NO_PLEDGES,
        vault_break=None if vault is None else ("open" if vault.is_in_doubt else "none"),
        books_age_seconds=None if vault is None else _books_age(vault, now),
    )


def statements_behind(
    session: Session, *, request: Moving, chain: str, root: TrustRoot, now: datetime
) -> tuple[SignedStatement, ...]:
    """The prices and screenings that the facts of ``request`` rest on: what proves them to a cosigner."""
    found = prices.newest(session, asset=request.asset, root=root, now=now)
    if not isinstance(request, RespendRequest | SweepRequest):
        found += screenings.standing(session, chain=chain, destination=request.destination, root=root, now=now)
    return tuple(found)


def registered(root: TrustRoot, asset: str) -> Asset:
    """The asset of that CAIP-19 id. Raises ``InvalidInput``."""
    found = root.asset(asset)
    if found is None:
        known = ", ".join(item.id for item in root.assets)
        raise InvalidInput(f"not a registered asset; accepted are {known}", field="request.asset")
    return found


def _screening(session: Session, place: Place, chain: str, root: TrustRoot, now: datetime) -> str | None:
    if not place.is_outside:
        return None
    found = screenings.standing(session, chain=chain, destination=place.text, root=root, now=now)
    return marks.result_of(marks.screened(found, chain=chain, destination=place.text, root=root, now=now))


def _books_age(vault: Vault, now: datetime) -> int | None:
    return int((now - vault.reconciled_at).total_seconds()) if vault.reconciled_at else None
