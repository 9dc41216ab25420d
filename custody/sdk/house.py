"""The house as one caller sees it: calls signed, requests signed besides, and nothing of a vault believed unproved."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from custody.evidence.places import VaultName
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import Request, request_message
from custody.evidence.signatures import sign_ed25519
from custody.kernel.errors import CustodyError, InvalidInput
from custody.sdk.environment import Requester
from custody.sdk.errors import AddressNotOurs, NotProven
from custody.sdk.memory import RootMemory
from custody.sdk.objects import DepositAddress, Event
from custody.sdk.transport import Answer, Transport
from custody.sdk.trust import Trust, derive, names_of, own_opening, read_trust

Shown = TypeVar("Shown")
MOST: Final = 200
"""Events of one answer."""


class House:
    """One API, who we are to it, and the trust root it must prove."""

    def __init__(self, transport: Transport, requester: Requester | None, pin: str, seen: RootMemory) -> None:
        """``pin`` is the hash of the trust root that a person compared; ``seen`` remembers what followed from it."""
        self._transport: Final = transport
        self._requester: Final = requester
        self._pin: Final = pin
        self._seen: Final = seen
        self._trust: Trust | None = None
        self._openings: dict[tuple[str, VaultName], bool] = {}

    @property
    def now(self) -> datetime:
        """The time by our own machine's clock."""
        return datetime.fromtimestamp(self._transport.now(), UTC)

    @property
    def requester(self) -> Requester:
        """Who asks. Raises ``InvalidInput`` where the client was made without."""
        if self._requester is None:
            raise InvalidInput("missing; accepted is whom the trust root pins, with his key", field="requester")
        return self._requester

    def call(self, method: str, path: str, *, body: Any = None, key: str | None = None) -> Answer:
        """One signed call. Raises ``ApiError``."""
        return self._transport.call(method, path, body=body, key=key)

    def get(self, path: str, **query: Any) -> Any:
        """What stands at ``path``. Raises ``ApiError``."""
        return self.call("GET", with_query(path, query)).document

    def ask(self, path: str, request: Request, **beside: Any) -> Answer:
        """Sign ``request`` as its requester and post it under its own idempotency key. Raises ``ApiError``.

        ``beside`` is said with it and not signed by the requester; what of it is ``None`` is left out.
        """
        said = {name: value for name, value in beside.items() if value is not None}
        return self.call("POST", path, body=self.signed(request) | said, key=request.idempotency_key)

    def signed(self, request: Request) -> dict[str, Any]:
        """The body that asks for ``request``."""
        who = self.requester
        signature = sign_ed25519(who.key, who.key_id, request_message(request))
        return {"request": request.to_json(), "signature": signature.to_json()}

    def listed(self, path: str, name: str, read: Callable[[Mapping[str, Any]], Shown], **query: Any) -> Iterator[Shown]:
        """Every row of a list, page after page as they are wanted. Raises ``ApiError``."""
        following: str | None = with_query(path, query)
        while following is not None:
            page = self.call("GET", following).document
            yield from (read(each) for each in page[name])
            following = page.get("next")

    def told(
        self, *, after: int, types: Sequence[str], wait_seconds: int, client: str | None = None, of: str | None = None
    ) -> tuple[list[Event], int]:
        """One page of the feed after a cursor, and the cursor to read on from; ``of`` one object, where one is named.

        Raises ``ApiError``.
        """
        chosen = {"client": client, "type": list(types), "subject": of}
        query = {"after": after, "limit": MOST, **chosen, "wait": wait_seconds or None}
        found = self.get("/v1/events", **query)
        return [Event.of(each) for each in found["events"]], int(found["cursor"])

    def trust(self) -> Trust:
        """The trust root in force, proved from the pinned one; asked for once. Raises ``NotProven``."""
        if self._trust is None:
            shown = self.get("/v1/trust-root")
            self._trust = read_trust(shown, pin=self._pin, now=self.now, seen=self._seen.newest())
            self._seen.note(self._trust.seen)
        return self._trust

    def renew_trust(self) -> None:
        """Forget what was proved: the next question asks the house again, from the same pin."""
        self._trust = None
        self._openings.clear()

    def proved(self, found: Mapping[str, Any], *, client: str, chain: str | None = None) -> DepositAddress:
        """An address, once it is the pinned trust root's for this client, on ``chain`` where one was asked for.

        Raises ``AddressNotOurs``.
        """
        try:
            address = DepositAddress.of(found)
            vault = VaultName.parse(address.vault, field="vault")
        except (CustodyError, KeyError, ValueError) as error:
            raise AddressNotOurs("the answer names no address of a vault") from error
        if address.client != client:
            raise AddressNotOurs(f"the address is of client {address.client}, not of {client}")
        self._expect_opened(client, vault)
        keyset = self.trust().keyset(vault.keyset)
        if keyset is None:
            raise AddressNotOurs(f"keyset {vault.keyset} is in no proved trust root")
        if chain is not None and chain not in names_of(keyset):
            raise AddressNotOurs(f"the address is on {keyset.chain}, and {chain} was asked for")
        if derive(keyset, client=client, branch=vault.branch, index=address.index) != address.address:
            raise AddressNotOurs(f"the keys of vault {vault} give another address at index {address.index}")
        return address

    def _expect_opened(self, client: str, vault: VaultName) -> None:
        if (client, vault) in self._openings:
            return
        shown = self.get(f"/v1/clients/{segment(client)}/openings")
        if self.trust().keyset(vault.keyset) is None:
            # A keyset that came with a later version than the one proved here.
            self.renew_trust()
        try:
            proven = [ProvenIntent.parse(each, field="openings") for each in shown["openings"]]
        except (CustodyError, KeyError, TypeError) as error:
            raise NotProven(f"the openings of client {client} cannot be read") from error
        own_opening(proven, client=client, vault=vault, requester=self.requester.name, trust=self.trust(), now=self.now)
        self._openings[client, vault] = True


def new_key() -> str:
    """An idempotency key for something that is asked for once."""
    return f"key-{secrets.token_hex(16)}"


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """``path`` with what of ``query`` is there; a list stands once for each of its items."""
    found = {name: value for name, value in query.items() if value is not None and value != []}
    return f"{path}?{urlencode(found, doseq=True)}" if found else path


def segment(name: str) -> str:
    """A name as one segment of a path. Raises ``InvalidInput`` for one that is none."""
    if not name:
        raise InvalidInput("missing", field="name")
    return quote(name, safe="")
