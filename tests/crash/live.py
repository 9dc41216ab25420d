"""One house with its own daemon: forked processes around a database, a broker slot and a chain, and who calls them."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

import workers.tasks  # noqa: F401  fills DELIVERIES
from config import settings as configuration
from custody.bootstrap import assemble, with_registered
from custody.cli.credential import Bearer
from custody.cosigner.keys import CosignerKey
from custody.db import Unit
from custody.movements import scan
from custody.outbox import operations as outbox
from custody.reconciliation.effect import reconcile
from custody.signing import operations as signing
from custody.signing import queries as bundles
from custody.trust import operations as trust
from demo.child import free_port
from demo.people import Api, ApiSaidNo
from tests.cosigner.builders import DEMO_POLICY, World, cosigner_key
from tests.crash.keyholders import Keyholders
from tests.crash.yard import Chain, EtherChain, Yard
from tests.support.forge import Forged
from tests.support.status import state_status
from tests.support.world import KEYSET, House, environment, write_tokens
from workers import carrying
from workers.unit import DELIVERIES

PARTS = ("api", "worker", "relay")
PATIENCE_SECONDS = 90.0


class Live:
    """A running house. Whatever of it dies is started again, unarmed, by whoever waits for something."""

    def __init__(
        self,
        yard: Yard,
        chain: Chain | EtherChain,
        house: House,
        *,
        name: str,
        settings: dict[str, Any],
        keyset: str = KEYSET,
        keys: Mapping[str, CosignerKey] | None = None,
    ) -> None:
        self.yard, self.chain, self.house, self.name, self.keyset = yard, chain, house, name, keyset
        self.start_height: int = settings["start_height"]
        self.broker_url: str = settings["broker_url"]
        self._settings = settings
        self._running: list[Forged] = []
        self._armed = False
        self.may_end: frozenset[str] = frozenset()
        """What ends by itself, by design, when a server it needs goes away."""
        self.deaths: list[tuple[str, int]] = []
        """Which part died, and how, as often as one did."""
        keys = keys or {name: cosigner_key(name) for name in house.ceremony.cosigners}
        self.keyholders = Keyholders(house.ceremony, keys, yard.home / name)

    def launch(self, *parts: str, crash_at: str = "") -> None:
        """Fork these parts (else all), each of which dies at ``crash_at``."""
        self._armed = bool(crash_at)
        for kind in parts or PARTS:
            self._running.append(self._fork(kind, crash_at))

    def halt(self) -> None:
        """End every part at once."""
        for part in self._running:
            part.kill()
        self._running.clear()

    def kill(self, kind: str) -> None:
        """SIGKILL to every process of this kind; it is started again like any that died."""
        for part in self._running:
            if part.kind == kind:
                part.kill()

    def tend(self) -> None:
        """Start again what died. Any other ending than SIGKILL is a fault, but for what ``may_end``."""
        for place, part in enumerate(self._running):
            ending = part.ending()
            if ending is not None:
                if ending == 0 and part.kind in self.may_end:
                    # It was begun again after its death, and had come to its end before that was looked at.
                    continue
                self.deaths.append((part.kind, ending))
                assert ending == -signal.SIGKILL or part.kind in self.may_end, (
                    f"{self.name}: {part.kind} ended with {ending}: {self.log()[-3000:]}"
                )
                self._running[place] = self._fork(part.kind, "")

    def until(self, condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for ``condition``, with everybody at work meanwhile."""
        limit = time.monotonic() + seconds
        while not condition():
            self.tend()
            if time.monotonic() > limit:
                raise AssertionError(
                    f"{self.name}: not after {seconds:g} s: {what}\n{self.queue()}\n{self.log()[-6000:]}"
                )
            time.sleep(0.05)

    def ask(self, caller: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the API as ``caller``; a call without an answer is made again, the very same."""
        limit = time.monotonic() + PATIENCE_SECONDS
        api = Api(f"http://127.0.0.1:{self._settings['api_port']}", Bearer(_token(caller)))
        while True:
            try:
                return api.get(path) if body is None and method == "GET" else api.post(path, body or {})
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < limit, f"{self.name}: the API does not answer: {self.log()[-3000:]}"
                self.tend()
                time.sleep(0.05)
            except ApiSaidNo as problem:
                if problem.facts.get("status") != 503:
                    raise
                assert time.monotonic() < limit, f"{self.name}: the API stays unavailable: {problem}"
                self.tend()
                time.sleep(0.1)

    def sign(self) -> None:
        """The keyholders answer what waits for them, over the API. While nothing does they are not sent to ask."""
        with self.house.db.unit() as unit:
            waiting = bundles.still_open(unit.session)
        if waiting:
            state_status(self.house.db)
            self.keyholders.work(self.ask)

    def sign_here(self, after_each: Callable[[], None] = lambda: None) -> None:
        """The keyholders answer by direct calls, without an API; ``after_each`` bundle given and answer taken."""

        def ask(caller: str, _method: str, path: str, body: dict[str, Any] | None) -> Any:
            answer = self._signing(caller, path, body)
            after_each()
            return answer

        state_status(self.house.db)
        self.keyholders.work(ask)

    def shift_clock(self, seconds: int) -> None:
        """From now on whatever is started or asked here lives ``seconds`` ahead."""
        self._settings["clock_offset_seconds"] = seconds
        self.house.close()
        settings = configuration.load(environment(self.house.database, **self._settings))
        self.house.runtime = with_registered(assemble(settings))
        self.keyholders.ahead = timedelta(seconds=seconds)

    def scan(self) -> None:
        """Read the chain up to its tip and handle what follows, here and not in the daemon."""
        runtime = self.house.runtime
        scan.scan(
            runtime.only.node,
            runtime.database,
            chain=runtime.only.chain,
            assets=runtime.only.assets,
            start_height=self.start_height,
        )
        carrying.follow(runtime, runtime.only)
        self.deliver()

    def deliver(self) -> None:
        """Handle every waiting message here and not in the daemon."""
        while self.deliver_one():
            pass

    def deliver_one(self) -> bool:
        """Handle one; False when none is due."""
        with self.house.db.unit() as unit:
            messages = outbox.lease(unit.session, now=unit.now, length=timedelta(seconds=30), limit=1)
        for message in messages:
            DELIVERIES[message.topic](self.house.runtime, message.id)
        return bool(messages)

    def waiting(self) -> int:
        """How many messages are not handled."""
        return int(self._value("SELECT count(*) FROM outbox WHERE done_at IS NULL"))

    def queue(self) -> list[Any]:
        """The whole outbox, for a failure's message."""
        with self.house.db.unit() as unit:
            rows = unit.session.execute(
                text("SELECT id, topic, attempts, due_at, leased_until, done_at, failed FROM outbox ORDER BY id")
            )
            return [tuple(str(value) for value in row) for row in rows]

    def alarms(self) -> set[str]:
        """The kinds of alarms raised."""
        with self.house.db.unit() as unit:
            return set(unit.session.execute(text("SELECT kind FROM alarms")).scalars())

    def expect_sound(self, *, alarms: frozenset[str] = frozenset()) -> None:
        """Nothing waits, every invariant holds, node and books agree; no alarm was raised but ``alarms``."""
        self.until(lambda: not self.waiting(), "every message handled")
        if self._armed and not self.deaths:
            # The last step of a road: it may be a moment before its death is noticed.
            self.until(lambda: bool(self.deaths), "the death at the crash point", seconds=20)
        self.halt()
        self.reconcile()
        self.deliver()
        self.house.expect_whole()
        found = self.alarms()
        assert found == alarms, found

    def reconcile(self) -> None:
        """Node and books agree at the tip."""
        runtime = self.house.runtime
        with self.chain.still:
            run = reconcile(
                runtime.only.node,
                runtime.database,
                chain=runtime.only.chain,
                assets=runtime.only.assets,
                start_height=self.start_height,
            )
        assert run.breaks == (), run.breaks

    def log(self) -> str:
        """What all its processes said."""
        files = sorted((self.yard.home / self.name).glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text()[-2500:]}" for file in files)

    def close(self) -> None:
        """End everything of it."""
        self.halt()
        self.keyholders.close()
        self.house.close()

    def _signing(self, caller: str, path: str, body: dict[str, Any] | None) -> Any:
        with self.house.db.unit() as unit:
            if body is None:
                found = signing.give_out(unit.session, cosigner=caller, keysets=_keysets_of(unit, caller), now=unit.now)
                return {"bundles": found}
            return signing.add_signature(
                unit.session,
                bundle=path.split("/")[3],
                cosigner=caller,
                signed=next(text for name, text in body.items() if name != "cosigner"),
                correlation_id="test",
                now=unit.now,
            )

    def _fork(self, kind: str, crash_at: str) -> Forged:
        chosen = environment(self.house.database, **self._settings)
        return self.yard.forge.fork(kind, chosen, self.yard.home / self.name / f"{kind}.log", crash_at=crash_at)

    def _value(self, query: str) -> Any:
        with self.house.db.unit() as unit:
            return unit.session.execute(text(query)).scalar_one()


@contextmanager
def living(yard: Yard, *, chain: Chain | None = None, policy: str = DEMO_POLICY, **settings: Any) -> Iterator[Live]:
    """A house with a ceremony of its own and nothing running; ``settings`` by their names."""
    where, number = chain or yard.chain, yard.number()
    name = f"case{number}"
    folder = yard.home / name
    folder.mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(yard.database())
        ceremony = _ceremony(number, policy)
        chosen: dict[str, Any] = {
            "node_url": where.node.url,
            "bitcoin_zmq_url": where.node.zmq_url,
            "broker_url": stack.enter_context(yard.broker_url()),
            "start_height": where.height(),
            "scan_seconds": 1,
            "lease_seconds": 2,
            "visibility_seconds": 2,
            "api_port": free_port(),
            "api_tokens_file": write_tokens(folder / "tokens.json", callers_of(ceremony, ceremony.cosigners)),
            **settings,
        }
        live = Live(yard, where, House.found(database, ceremony=ceremony, **chosen), name=name, settings=chosen)
        stack.callback(live.close)
        yield live


def _ceremony(number: int, policy: str) -> World:
    """Keys nobody else on the chain has: two houses must not see each other's coins."""
    now = datetime.now(UTC)
    cosigners = tuple(f"{place}{number}" for place in ("north", "south", "east"))
    return World(policy=policy, cosigners=cosigners, now=now, expires_at=now + timedelta(days=365))


def callers_of(ceremony: World, cosigners: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Everybody who calls the API, with role and token."""
    roles = {"exchange": "requester", **dict.fromkeys(ceremony.operators, "operator")}
    roles |= dict.fromkeys(cosigners, "cosigner")
    return {name: (role, _token(name)) for name, role in roles.items()}


def _keysets_of(unit: Unit, cosigner: str) -> list[str]:
    root = trust.in_force(unit.session).root
    return [keyset.id for keyset in root.keysets if keyset.cosigner(cosigner) is not None]


def _token(caller: str) -> str:
    return f"token-of-{caller}-".ljust(40, "0")
