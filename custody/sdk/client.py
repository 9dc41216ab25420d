"""The client an exchange's back end calls. Synchronous; made once and kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from custody.evidence.calls import CallKey
from custody.sdk.environment import Requester, expect_hash, expect_url, read_environment
from custody.sdk.house import House, segment
from custody.sdk.memory import RootMemory, RootSeen
from custody.sdk.objects import Balance, Event
from custody.sdk.resources import Addresses, Clients, Deposits, Withdrawals
from custody.sdk.transport import TRIES_AGAIN, Answer, Transport


class Client:
    """One house, one credential, one pinned trust root.

    Every call is signed. Whatever becomes an intent carries the requester's own signature besides, and every deposit
    address is derived again from the pinned trust root before it is returned. Has no readable ``repr``.
    """

    def __init__(
        self,
        url: str,
        *,
        key: CallKey,
        root: str,
        requester: Requester | None = None,
        seen_file: Path | None = None,
        tries_again: int = TRIES_AGAIN,
        transport: Transport | None = None,
    ) -> None:
        """``key`` signs calls, ``requester`` what is asked for; ``root`` is the trust root's hash that you compared.

        With ``seen_file`` the newest version that was proved outlives the process: an older one is refused from then
        on. Without it, keep ``trust_root()`` and pin its hash the next time. Raises ``InvalidInput``.
        """
        self._transport = transport or Transport(expect_url(url, field="url"), key, tries_again=tries_again)
        self._house = House(self._transport, requester, expect_hash(root, field="root"), RootMemory(seen_file))
        self.clients: Clients = Clients(self._house)
        self.addresses: Addresses = Addresses(self._house)
        self.deposits: Deposits = Deposits(self._house)
        self.withdrawals: Withdrawals = Withdrawals(self._house)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The client of this process's environment. Raises ``InvalidInput`` naming the setting."""
        found = read_environment(os.environ if environment is None else environment)
        return cls(found.url, key=found.key, root=found.root, requester=found.requester, seen_file=found.seen_file)

    def trust_root(self) -> RootSeen:
        """The newest version of the trust root, proved from the pinned one. Raises ``NotProven`` and ``ApiError``."""
        return self._house.trust().seen

    def balances(self, client: str) -> list[Balance]:
        """Each asset of the client, out of one snapshot. Raises ``NotThere``."""
        return [Balance.of(each) for each in self._house.get(f"/v1/clients/{segment(client)}/balances")["balances"]]

    def events(
        self, *, after: int = 0, types: Sequence[str] = (), client: str | None = None, wait_seconds: int = 0
    ) -> Iterator[Event]:
        """Everything told after the cursor ``after``, oldest first, to the newest. Keep each event's ``cursor``.

        With ``wait_seconds`` (30 at most) it never ends: where nothing new is there, the house is asked again, and
        holds its answer back for so long. ``types``: kinds or types, such as ``withdrawal`` or ``deposit.credited``.
        """
        cursor = after
        while True:
            told, cursor = self._house.told(after=cursor, client=client, types=types, wait_seconds=wait_seconds)
            yield from told
            if not told and not wait_seconds:
                return

    def request(self, method: str, path: str, *, json: Any = None, idempotency_key: str | None = None) -> Answer:
        """Any call, signed and tried again as the others are. Raises ``ApiError``."""
        return self._house.call(method, path, body=json, key=idempotency_key)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Client"
