"""Reading where a rotation stands: whose money is in vaults of older keysets, and who has no later vault yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.chains.spending import Order, SpendRules
from custody.clients import queries as clients
from custody.clients.queries import Client
from custody.deposits import queries as deposits
from custody.evidence.requests import SweepRequest
from custody.evidence.trust_root import TrustRoot
from custody.ledger import queries as ledger
from custody.openings import queries as openings
from custody.rotation.model import Opening, Place, Remaining, Standing, Succession
from custody.spends import queries as spends
from custody.stops import queries as stops
from custody.vaults import queries as vaults
from custody.vaults.model import POOL, Vault
from custody.withdrawals import queries as withdrawals
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.states import FINAL, State

WITHOUT_COINS = (State.REQUESTED, State.PENDING_APPROVAL, State.APPROVED)
"""A sweep that has taken nothing out of its vault yet: what it will take would be planned twice."""


def read(session: Session, *, root: TrustRoot, rules: Mapping[str, SpendRules]) -> Standing:
    """Where every chain of ``rules`` stands that has an older keyset."""
    reading = _Reading(session, root, {chain: rules[chain] for chain in rules if _older(root, chain)})
    places = tuple(reading.places())
    return Standing(
        successions=tuple(reading.successions()),
        openings=tuple(reading.openings()),
        places=places,
        available=_available(session, {place.client for place in places}),
        remaining=tuple(reading.remaining()),
        sweeps=reading.sweeps,
    )


@dataclass
class _Reading:
    """One look at the database; each table is asked once for all vaults where that can be."""

    session: Session
    root: TrustRoot
    rules: Mapping[str, SpendRules]
    older: list[Vault] = field(init=False)
    held: dict[tuple[str, str], int] = field(init=False)
    sweeps: tuple[Withdrawal, ...] = field(init=False)

    def __post_init__(self) -> None:
        left = {keyset for chain in self.rules for keyset in _older(self.root, chain)}
        self.older = [vault for vault in vaults.every(self.session) if vault.keyset in left]
        self.held = {
            (total.vault, total.asset): total.onchain for total in ledger.vault_totals(self.session) if total.onchain
        }
        self.sweeps = tuple(
            each for each in withdrawals.every(self.session, kind=SweepRequest.kind) if each.chain in self.rules
        )

    def successions(self) -> Iterator[Succession]:
        for chain in self.rules:
            yield Succession(chain, self._newest(chain), _older(self.root, chain))

    def remaining(self) -> Iterator[Remaining]:
        for chain in self.rules:
            for keyset in _older(self.root, chain):
                for asset in self._assets(chain):
                    found = [self.held.get((vault.id, asset), 0) for vault in self.older if vault.keyset == keyset]
                    yield Remaining(keyset, asset, sum(found), sum(1 for units in found if units))

    def openings(self) -> Iterator[Opening]:
        asked = {
            (filed.client, filed.intent.vault.keyset)
            for filed in intents.waiting(self.session)
            if filed.intent.kind == "client_opening"
        }
        branches: dict[str, int] = {}
        for client, chain in self._left_behind():
            keyset = self._newest(chain)
            named, branches[keyset] = openings.branch_for(
                self.session, keyset=keyset, segregation=client.segregation, after=branches.get(keyset)
            )
            is_asked = (client.id, keyset) in asked
            yield Opening(client.id, client.name, client.segregation, chain, keyset, named, is_asked)

    def places(self) -> Iterator[Place]:
        for vault in self.older:
            for member in vaults.members(self.session, vault=vault.id):
                for asset in self._assets(vault.chain):
                    if (vault.id, asset) in self.held:
                        yield self._place(vault, member.client, asset)

    def _place(self, vault: Vault, client: str, asset: str) -> Place:
        order = Order("", vault.id, vault.chain, asset, b"", units=0, ceiling_units=0)
        maturity = self.rules[vault.chain].coinbase_maturity
        return Place(
            client=client,
            vault=vault.id,
            is_shared=vault.kind == POOL,
            to=self._later_vault(client, vault.chain),
            asset=asset,
            stopped=self._stopped(vault, client, asset),
            candidates=spends.candidates(self.session, order=order, coinbase_maturity=maturity),
        )

    def _stopped(self, vault: Vault, client: str, asset: str) -> str:
        status = clients.get(self.session, client=client).status
        stop = stops.first(self.session, client=client, vault=vault.id, asset=asset)
        waiting = [
            each.id
            for each in self.sweeps
            if each.state in WITHOUT_COINS and (each.vault, each.client, each.asset) == (vault.id, client, asset)
        ]
        if status != "active":
            return f"the client is {status}"
        if vault.frozen_reason:
            return f"the vault is frozen: {vault.frozen_reason}"
        if stop is not None:
            return stop.words
        if asset in deposits.suspended(self.session, chain=vault.chain):
            return "the asset is suspended"
        return f"{len(waiting)} sweeps of it wait for people or for coins" if waiting else ""

    def _left_behind(self) -> Iterator[tuple[Client, str]]:
        seen = set()
        for vault in self.older:
            for member in vaults.members(self.session, vault=vault.id):
                whose = clients.get(self.session, client=member.client)
                key = (member.client, vault.chain)
                if key in seen or whose.status == "closed" or self._later_vault(member.client, vault.chain):
                    continue
                seen.add(key)
                yield whose, vault.chain

    def _later_vault(self, client: str, chain: str) -> str | None:
        newest = self._newest(chain)
        found = [vault.id for vault in vaults.of_client(self.session, client=client) if vault.keyset == newest]
        return found[0] if found else None

    def _newest(self, chain: str) -> str:
        newest = self.root.newest_keyset(chain)
        assert newest is not None
        return newest.id

    def _assets(self, chain: str) -> list[str]:
        return [asset.id for asset in self.root.assets if asset.chain == chain]


def unfinished(sweeps: tuple[Withdrawal, ...]) -> list[Withdrawal]:
    """Those that are on their way."""
    return [each for each in sweeps if each.state not in FINAL]


def _older(root: TrustRoot, chain: str) -> tuple[str, ...]:
    return tuple(keyset.id for keyset in root.keysets if keyset.chain == chain)[:-1]


def _available(session: Session, whose: set[str]) -> dict[tuple[str, str], int]:
    return {
        (client, balance.asset): balance.available
        for client in sorted(whose)
        for balance in ledger.balances(session, client=client)
    }
