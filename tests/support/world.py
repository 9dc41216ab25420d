"""A custody house on a real database, without workers: ceremony held, clients opened, money credited, requests signed.

Keys and the trust root are ``tests.cosigner.builders.World``'s, with times around the database's clock. Everything
that changes the house goes through operations, each in a unit of its own; a test that runs workers needs none of
``open_client``'s shortcuts.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from config import settings as configuration
from custody.addresses import operations as addresses
from custody.addresses.model import DepositAddress, derive
from custody.approvals import operations as approvals
from custody.bootstrap import Runtime, assemble
from custody.db import Database
from custody.evidence.approvals import Approval
from custody.evidence.keysets import keyset_consent_message
from custody.evidence.requests import ClientOpeningRequest, Request, WithdrawalRequest, request_message
from custody.evidence.signatures import Signature, sign_ed25519
from custody.kernel.money import Amount
from custody.ledger import invariants
from custody.ledger import operations as ledger
from custody.ledger import queries as ledger_queries
from custody.openings import operations as openings
from custody.openings.operations import Opening
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries as withdrawal_queries
from custody.withdrawals.model import Withdrawal
from tests.cosigner.builders import BTC, KEYSET, REGTEST, World, address, approval, cosigner_key, key_id, person_key
from tests.support import oracle
from tests.support.servers import FreshDatabase
from tests.support.status import state_status

__all__ = ["BTC", "KEYSET", "REGTEST", "House", "address", "consents", "environment", "write_tokens"]

SILENT_NODE = "http://nobody:nothing@127.0.0.1:1"
"""Where no node is: for tests that need none."""


def environment(database: FreshDatabase, *, node_url: str = SILENT_NODE, **settings: object) -> dict[str, str]:
    """The environment of a daemon's process on ``database``; ``settings`` by their names, ``api_port=…``."""
    chosen: dict[str, object] = {
        "network": "regtest",
        "database_url": database.app_url,
        "broker_url": "redis://127.0.0.1:1/0",
        "bitcoin_rpc_url": node_url,
        "seal_key": "5e" * 32,
        "stock_target": 5,
        "stock_low_mark": 2,
        "api_names": "testserver",
        **settings,
    }
    return {f"CUSTODY_{name.upper()}": str(value) for name, value in chosen.items()}


@dataclass
class House:
    """One house. ``House.found(database)`` holds the ceremony; ``runtime`` is what a process of it works with."""

    database: FreshDatabase
    runtime: Runtime
    ceremony: World
    vaults: dict[str, str] = field(default_factory=dict)
    """Client to vault, of those opened by ``open_client``."""

    @classmethod
    def found(cls, database: FreshDatabase, *, ceremony: World | None = None, **settings: Any) -> House:
        """Put a trust root in force on an empty database and register its keyset."""
        runtime = assemble(configuration.load(environment(database, **settings)))
        with runtime.database.unit() as unit:
            world = ceremony or World(now=unit.now, expires_at=unit.now + timedelta(days=365))
            trust.install(
                unit.session, signed=world.signed_root, policy_text=world.policy, actor="ceremony", now=unit.now
            )
            vaults.register_keyset(
                unit.session, keyset=world.keyset, consents=consents(world), actor="ceremony", now=unit.now
            )
        state_status(runtime.database)
        return cls(database, runtime, world)

    def close(self) -> None:
        """Close the runtime's connections."""
        self.runtime.database.dispose()

    @property
    def db(self) -> Database:
        """The application's database."""
        return self.runtime.database

    def now(self) -> datetime:
        """The house's clock."""
        with self.db.unit() as unit:
            return unit.now

    def opening_request(self, client: str, *, branch: int, **changes: Any) -> ClientOpeningRequest:
        """What the exchange asks to have a client opened."""
        request = ClientOpeningRequest(
            requester="exchange",
            client=client,
            name=client.title(),
            segregation="segregated",
            keyset=KEYSET,
            branch=branch,
            not_after=self.now() + timedelta(days=2),
            idempotency_key=f"open-{client}",
        )
        return replace(request, **changes)

    def withdrawal_request(self, client: str, amount_sat: int, **changes: Any) -> WithdrawalRequest:
        """What the exchange asks to have paid; every call has a key of its own unless told."""
        request = WithdrawalRequest(
            requester="exchange",
            client=client,
            asset=REGTEST.asset.id,
            amount=amount_sat,
            destination=address("somebody"),
            max_fee=20_000,
            purpose="withdrawal",
            not_after=self.now() + timedelta(days=2),
            idempotency_key=f"key-{secrets.token_hex(8)}",
        )
        return replace(request, **changes)

    def signed(self, request: Request, *, signer: str | None = None) -> Signature:
        """The requester's signature (or another person's)."""
        who = signer or request.requester
        return sign_ed25519(person_key(who), key_id(who), request_message(request))

    def body(self, request: Request, *, signer: str | None = None) -> dict[str, Any]:
        """What is posted to ask for it."""
        return {"request": request.to_json(), "signature": self.signed(request, signer=signer).to_json()}

    def approval(self, person: str, digest: str, *, verdict: str = "approve", **times: Any) -> Approval:
        """One person's verdict, good for an hour from now."""
        now = self.now()
        chosen = {"given_at": now, "not_after": now + timedelta(hours=1), "nonce": secrets.token_hex(16), **times}
        return approval(person, digest, verdict=verdict, **chosen)

    def open_client(self, client: str, *, branch: int, segregation: str = "segregated", stock: int = 5) -> str:
        """Open a client as policy asks, alice agreeing, with a stock of addresses; returns its vault."""
        request = self.opening_request(client, branch=branch, segregation=segregation)
        opening = self.request_opening(request)
        self.approve(opening.digest, "alice")
        with self.db.unit() as unit:
            openings.complete(unit.session, digest=opening.digest, now=unit.now)
        self.vaults[client] = f"{KEYSET}/{branch}"
        self.stock(self.vaults[client], stock)
        return self.vaults[client]

    def request_opening(self, request: ClientOpeningRequest) -> Opening:
        """File the intent to open a client."""
        with self.db.unit() as unit:
            return openings.request_opening(
                unit.session,
                request=request,
                signature=self.signed(request),
                trust=trust.in_force(unit.session),
                now=unit.now,
            )

    def approve(self, digest: str, *people: str, verdict: str = "approve") -> None:
        """Record these people's verdicts."""
        for person in people:
            said = self.approval(person, digest, verdict=verdict)
            with self.db.unit() as unit:
                root = trust.in_force(unit.session).root
                approvals.give(
                    unit.session, digest=digest, approval=said, root=root, correlation_id="test", now=unit.now
                )

    def stock(self, vault: str, target: int) -> None:
        """Fill both stocks of a vault up to ``target``."""
        key = self.runtime.seal_key
        for change in (False, True):
            with self.db.unit() as unit:
                plan = addresses.plan_stock(unit.session, vault=vault, change=change, target=target, seal_key=key)
            if plan is not None:
                derived = derive(plan)
                with self.db.unit() as unit:
                    addresses.store(unit.session, plan=plan, derived=derived, seal_key=key, now=unit.now)

    def address(self, client: str) -> DepositAddress:
        """Hand the client its next deposit address."""
        with self.db.unit() as unit:
            return addresses.allocate(
                unit.session,
                vault=self.vaults[client],
                client=client,
                seal_key=self.runtime.seal_key,
                low_mark=self.runtime.settings.stock_low_mark,
                actor="test",
                now=unit.now,
            )

    def credit(self, client: str, amount_sat: int) -> None:
        """Book a deposit in the ledger alone: no coin stands behind it, so reconciliation would find a break."""
        with self.db.unit() as unit:
            ledger.credit_deposit(
                unit.session,
                deposit_id=f"dep_{secrets.token_hex(8)}",
                client=client,
                vault=self.vaults[client],
                amount=Amount(REGTEST.asset.id, amount_sat),
                actor="test",
                now=unit.now,
            )

    def withdraw(self, request: WithdrawalRequest, *, reference: str | None = None) -> Withdrawal:
        """Ask for a withdrawal by a direct call; ``reference`` is what its client calls it."""
        with self.db.unit() as unit:
            return withdrawals.request(
                unit.session,
                request=request,
                signature=self.signed(request),
                trust=trust.in_force(unit.session),
                correlation_id="test",
                now=unit.now,
                reference=reference,
            ).withdrawal

    def withdrawals(self) -> list[Withdrawal]:
        """All of them."""
        with self.db.unit() as unit:
            return withdrawal_queries.every(unit.session)

    def balance(self, client: str) -> tuple[int, int]:
        """Available and held, in satoshi."""
        with self.db.unit() as unit:
            found = ledger_queries.balances(unit.session, client=client)
        return sum(item.available for item in found), sum(item.held for item in found)

    def expect_ledger(self) -> None:
        """The ledger's own invariants hold."""
        with self.db.unit() as unit:
            assert invariants.check(unit.session) == []

    def expect_whole(self) -> None:
        """Every invariant that a database can show holds."""
        oracle.expect_whole(self.db, terms=self.runtime.terms, deadlines=self.runtime.deadlines)

    def row_counts(self) -> dict[str, int]:
        """How many rows each table has: equal before and after what must write nothing."""
        return {name: int(count) for name, count in self._of_each_table("count(*)").items()}

    def contents(self) -> dict[str, str]:
        """A hash of everything in each table: equal before and after what must change nothing."""
        return self._of_each_table("coalesce(md5(string_agg(each::text, ';' ORDER BY each::text)), '')")

    def _of_each_table(self, asked: str) -> dict[str, Any]:
        with self.db.unit() as unit:
            names = unit.session.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
            tables = sorted(set(names) - {"alembic_version"})
            union = " UNION ALL ".join(f"SELECT '{name}', {asked} FROM {name} AS each" for name in tables)
            return {str(name): value for name, value in unit.session.execute(text(union))}


def consents(world: World) -> tuple[Signature, ...]:
    """Every cosigner's signature on the keyset's open descriptor."""
    message = keyset_consent_message(world.keyset)
    return tuple(Signature(name, cosigner_key(name).sign_statement(message)) for name in world.cosigners)


def write_tokens(path: Path, callers: dict[str, tuple[str, str]]) -> Path:
    """Write the API's tokens file: name to (role, token)."""
    rows = [
        {"name": name, "role": role, "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
        for name, (role, token) in callers.items()
    ]
    path.write_text(json.dumps({"callers": rows}))
    path.chmod(0o600)
    return path
