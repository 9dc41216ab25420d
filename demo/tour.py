"""``make api-tour``: twelve calls of the API with their answers, from making a client to a webhook that was received.

An exchange's back end makes eleven of them with the Python client, and signs each; the twelfth is an operator's, who
agrees to the new client with a statement of her own. Each is shown as the command line that would send it.
"""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

import httpx2

from custody.evidence.calls import CallKey
from custody.kernel.ids import new_id
from custody.sdk import Client, Requester, webhooks
from custody.sdk.environment import read_call_key
from custody.sdk.errors import HouseUnavailable
from custody.sdk.objects import Event
from custody.sdk.transport import SECONDS, Transport
from demo.bitcoind import Bitcoind
from demo.child import ServerFailed
from demo.people import call_key_name, in_an_hour
from demo.running import Running, tell_one_line

_LIMIT_SECONDS: Final = 60.0
_WIDTH: Final = 300
_ASKS, _AGREES, _CHAIN = "exchange", "alice", "regtest"
_DEPOSIT_SAT: Final = 5_000_000
_LOOKED_UP: Final = ("/v1/trust-root", "/v1/keysets", "/openings")
"""What the client reads by itself to prove an address, or to name a keyset."""


@dataclass
class Shown:
    """Shows those calls of a client that are part of the tour."""

    say: Callable[[str], None] = print
    title: str = ""
    """What the next call is for; empty: it is not shown."""
    number: int = 0

    def http(self) -> httpx2.Client:
        """What carries the client's calls."""
        return httpx2.Client(timeout=SECONDS, event_hooks={"response": [self.hear]})

    def hear(self, got: httpx2.Response) -> None:
        """Show the first answer that is not the client's own looking up of what it must prove."""
        request = got.request
        if self.title and got.status_code < 300 and not _is_looking_up(request):
            self.show(request.method, str(request.url), request.content, got.status_code, got.read(), "signed")

    def show(self, method: str, url: str, sent: bytes, status: int, answer: bytes, how: str) -> None:
        """One call as a command line, and its answer."""
        self.number += 1
        command = ["curl", "-X", method, url, *(["-d", _short(sent)] if sent else [])]
        self.say(f"\n{self.number}. {self.title} ({how})\n   {shlex.join(command)}\n   {status} {_short(answer)}")
        self.title = ""


class Receiver(HTTPServer):
    """An exchange's own end of a webhook, on loopback: it believes what is signed with its secret."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.secret = ""
        self.events: list[Event] = []

    @property
    def url(self) -> str:
        """Where deliveries come to."""
        return f"http://127.0.0.1:{self.server_port}/hooks"


class _Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.server.events.append(webhooks.verify(dict(self.headers), body, self.server.secret))
            self.send_response(204)
        except webhooks.NotTheHouses:
            self.send_response(400)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the tour tells."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that answers in a thread of its own."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()


@dataclass
class World:
    """What the tour needs of the world beside the API."""

    approve: Callable[[str], tuple[str, bytes, bytes]]
    """An operator agrees to an intent: the address, what she sent and the answer."""
    pay: Callable[[str], object]
    """Somebody pays a deposit to an address, and blocks are made until it counts."""
    payee: str
    chain: str


def tour(client: Client, shown: Shown, world: World, receiver: Receiver) -> None:
    """Make the twelve calls. Raises ``ServerFailed`` where something did not happen in time."""
    name = new_id("cli", in_an_hour())
    order = {"to": world.payee, "max_fee": "0.0003"}

    def calls(title: str) -> None:
        shown.title = title

    calls("Which assets there are")
    client.request("GET", "/v1/assets")
    calls("Open a client: asked for with the requester's own signature; an operator has to agree")
    opening = client.clients.open(name, name="Tour", chain=world.chain)
    calls("An operator agrees")
    url, sent, answer = world.approve(opening.digest)
    shown.show("POST", url, sent, 201, answer, "the statement is signed; the call has her token")
    _until(lambda: any(each.id == name for each in client.clients.list()), "the client open")
    calls("A webhook for whatever becomes of this client's payments")
    hook = {"url": receiver.url, "client": name, "types": ["withdrawal"], "payload": "full", "label": "tour"}
    made = client.request("POST", "/v1/webhook-endpoints", json=hook).document
    receiver.secret = str(made["secret"])
    calls("A deposit address, which the client derives again before you see it")
    address = _until(lambda: _address(client, name, world.chain), "an address in stock")
    world.pay(address)
    _until(lambda: [each for each in client.deposits.list(name) if each.status == "credited"], "the deposit credited")
    calls("What came in")
    list(client.deposits.list(name))
    calls("What the client has")
    client.balances(name)
    calls("What a payment would cost")
    client.withdrawals.quote(name, "BTC", "0.01", **order)
    calls("What the policy would say of it; nothing is written")
    client.withdrawals.evaluate(name, "BTC", "0.01", **order)
    calls("Pay")
    paid = client.withdrawals.create(name, "BTC", "0.01", idempotency_key=f"tour-{name}", **order)
    calls("Where it stands, and who must act next")
    client.withdrawals.get(paid.id)
    heard = _until(lambda: receiver.events, "a webhook")[0]
    calls("The event that the webhook brought, read again by its id")
    client.request("GET", f"/v1/events/{heard.id}")
    shown.say(
        f"\nA webhook came to {receiver.url}, rightly signed: {heard.type}, {heard.subject}, version {heard.version}"
    )


def _until(look: Callable[[], Any], what: str) -> Any:
    """What ``look`` finds, looked for often."""
    limit = time.monotonic() + _LIMIT_SECONDS
    while not (found := look()):
        if time.monotonic() > limit:
            raise ServerFailed(f"did not happen within {_LIMIT_SECONDS:g} s: {what}", field="tour")
        time.sleep(0.1)
    return found


def _address(client: Client, name: str, chain: str) -> str | None:
    """``None`` while the stock of a new vault is still being filled."""
    try:
        return client.addresses.new(name, chain=chain).address
    except HouseUnavailable:
        return None


def _is_looking_up(request: httpx2.Request) -> bool:
    return request.method == "GET" and request.url.path.endswith(_LOOKED_UP)


def _short(content: bytes) -> str:
    """What a person reads of it, on one line; a secret of a webhook is shown to nobody."""
    found = json.loads(content)
    if isinstance(found, dict) and "secret" in found:
        found["secret"] = "whsec_…"
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def client_of(url: str, key: CallKey, *, root: str, requester: Requester, shown: Shown) -> Client:
    """A client whose calls are shown."""
    transport = Transport(url, key, http=shown.http())
    return Client(url, key=key, root=root, requester=requester, transport=transport)


def take(demo: Running) -> None:
    """The tour in a demo that stays up: its exchange asks, alice agrees, the faucet pays, its blocks are made."""
    url = f"http://127.0.0.1:{demo.environment['CUSTODY_API_PORT']}"
    node = Bitcoind.at(demo.environment["CUSTODY_BITCOIN_RPC_URL"])
    person, shown = demo.person(_ASKS), Shown()
    requester = Requester(person.name, person.key_id, person.key)
    key = read_call_key(call_key_name(_ASKS), (demo.home / "tokens" / _ASKS).read_bytes(), field=_ASKS)

    def approve(digest: str) -> tuple[str, bytes, bytes]:
        path, said = f"/v1/intents/{digest}/approvals", demo.person(_AGREES).say("approve", digest, until=in_an_hour())
        answer = demo.api(_AGREES).post(path, said)
        return f"{url}{path}", json.dumps(said).encode(), json.dumps(answer).encode()

    world = World(
        approve,
        pay=lambda address: node.send(address, _DEPOSIT_SAT),
        payee=node.wallet("faucet").new_address(),
        chain=demo.runtime.chosen(_CHAIN).chain,
    )
    with (
        receiving() as receiver,
        client_of(url, key, root=demo.left["root"], requester=requester, shown=shown) as client,
    ):
        tour(client, shown, world, receiver)


def main() -> int:
    """``python -m demo.tour``."""
    return tell_one_line(take)


if __name__ == "__main__":
    sys.exit(main())
