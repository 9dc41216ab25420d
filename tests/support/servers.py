"""One of each real server per pytest session, started when first asked for; fresh databases made from a template."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from custody.db import Database
from custody.db.migrations.run import upgrade
from demo.evm import contracts
from demo.servers import Anvil, Bitcoind, Broker, Postgres

TEMPLATE = "custody_template"


@dataclass
class FreshDatabase:
    """A database of one test: migrated, empty, dropped afterwards."""

    name: str
    owner_url: str
    app_url: str
    superuser_url: str
    _opened: list[Database] = field(default_factory=list)

    @property
    def db(self) -> Database:
        """The application role's engine, made when first used."""
        if not self._opened:
            self._opened.append(Database(self.app_url))
        return self._opened[0]

    def close(self) -> None:
        """Close the engine's connections."""
        for database in self._opened:
            database.dispose()
        self._opened.clear()


class Servers:
    """The session's servers. Their state is in one temporary folder, removed at the end."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="custody-tests-"))
        # The account Postgres drops to when we are root must be able to pass through; secrets inside are 0600.
        self.home.chmod(0o711)
        self._postgres: Postgres | None = None
        self._broker: Broker | None = None
        self._bitcoind: Bitcoind | None = None
        self._nodes: list[Bitcoind] = []
        self._anvils: list[Anvil] = []
        self._spare: Anvil | None = None
        self._evm_chain: bytes | None = None
        self._has_template = False
        self._numbers = itertools.count(1)

    def postgres(self) -> Postgres:
        """The session's Postgres, running; one that a test left stopped or killed is started again."""
        if self._postgres is None:
            self._postgres = Postgres(self.home, fsync=False)
        if not self._postgres.is_running():
            self._postgres.start()
        return self._postgres

    def broker(self) -> Broker:
        """The session's broker, running and empty."""
        if self._broker is None:
            self._broker = Broker(self.home)
        if not self._broker.is_running():
            self._broker.start()
        self._broker.flush()
        return self._broker

    def bitcoind(self) -> Bitcoind:
        """The session's regtest node, running."""
        if self._bitcoind is None:
            self._bitcoind = Bitcoind(self.home)
        if not self._bitcoind.is_running():
            self._bitcoind.start()
        return self._bitcoind

    def node(
        self, *, network: str = "regtest", listen: bool = False, options: dict[str, str] | None = None
    ) -> Bitcoind:
        """A further node with a chain of its own, running."""
        name = f"node-{next(self._numbers)}"
        node = Bitcoind(self.home, name=name, network=network, listen=listen, options=options)
        self._nodes.append(node)
        node.start()
        return node

    def fresh_anvil(self) -> Anvil:
        """An Ethereum node with a chain of its own, running; nothing another test did is on it.

        Starting one takes under 0.1 s, so the next is launched while this one is being used.
        """
        node = self._spare or self._launch_anvil()
        self._spare = self._launch_anvil()
        node.await_ready()
        return node

    def anvil(
        self, *, chain_id: int = 31337, chain: bytes | None = None, options: dict[str, str] | None = None
    ) -> Anvil:
        """A further Ethereum node, running: on ``chain`` if that is given, else on a fresh one with the contracts."""
        node = self._launch_anvil(chain_id=chain_id, chain=chain, options=options)
        node.await_ready()
        return node

    def discard(self, node: Anvil) -> None:
        """End a node nobody asks again; its chain, a megabyte, is not written and what was is removed."""
        node.kill(keep_chain=False)
        shutil.rmtree(node.home / node.name)
        self._anvils.remove(node)

    def _launch_anvil(
        self, *, chain_id: int = 31337, chain: bytes | None = None, options: dict[str, str] | None = None
    ) -> Anvil:
        name = f"anvil-{next(self._numbers)}"
        first = chain or self._chain_with_contracts()
        node = Anvil(self.home, name=name, chain_id=chain_id, chain=first, options=options)
        self._anvils.append(node)
        node.prepare()
        node.launch()
        return node

    def _chain_with_contracts(self) -> bytes:
        """What every fresh chain begins with, made once in this session."""
        if self._evm_chain is None:
            node = Anvil(self.home, name="anvil-first")
            node.start()
            contracts.place(node)
            self._evm_chain = node.dump()
            node.stop()
        return self._evm_chain

    def fresh_database(self) -> FreshDatabase:
        """A migrated database, copied from one that was migrated once in this session."""
        server = self.postgres()
        if not self._has_template:
            owner_url, _ = server.create_database(TEMPLATE)
            upgrade(owner_url)
            self._has_template = True
        name = f"test_{next(self._numbers)}"
        owner_url, app_url = server.create_database(name, template=TEMPLATE)
        return FreshDatabase(name, owner_url, app_url, server.url("postgres", name))

    def drop(self, database: FreshDatabase) -> None:
        """Drop it and whatever is connected to it."""
        database.close()
        self.postgres().drop_database(database.name)

    def stop(self) -> None:
        """Stop everything and remove its files."""
        for node in [*self._nodes, *([self._bitcoind] if self._bitcoind else [])]:
            node.stop()
        for anvil in self._anvils:
            anvil.stop()
        if self._broker:
            self._broker.stop()
        if self._postgres:
            self._postgres.destroy()
        shutil.rmtree(self.home, ignore_errors=True)
