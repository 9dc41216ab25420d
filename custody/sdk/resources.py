"""What a client does, by noun: clients, addresses, balances, deposits and withdrawals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from custody.evidence.requests import ClientOpeningRequest, WithdrawalRequest
from custody.kernel.clock import parse_rfc3339
from custody.kernel.errors import InvalidInput
from custody.kernel.money import parse_decimal
from custody.sdk.errors import InvalidRequest, StillWaiting
from custody.sdk.house import MOST, House, new_key, segment
from custody.sdk.objects import FINAL, ClientRecord, Deposit, DepositAddress, Opening, Withdrawal

GOOD_FOR: Final = timedelta(days=1)
"""How long what is asked for may be carried out, where nobody says."""
WAIT_SECONDS: Final = 600.0
_LISTEN_SECONDS: Final = 20
"""How long one question to the feed is held back; then it is asked again."""


@dataclass(frozen=True, slots=True, repr=False)
class Clients:
    """Whose assets are in custody."""

    house: House

    def open(
        self,
        client: str,
        *,
        name: str | None = None,
        chain: str | None = None,
        segregation: str = "segregated",
        idempotency_key: str | None = None,
    ) -> Opening:
        """Ask for ``client`` to have a vault under a chain's newest keyset; people may have to agree first.

        ``chain`` is a CAIP-2 id, and may be left out where there is one. Raises ``ApiError`` and ``InvalidInput``.
        """
        keyset = self._newest(chain)
        request = ClientOpeningRequest(
            requester=self.house.requester.name,
            client=client,
            name=name or client,
            segregation=segregation,
            keyset=str(keyset["id"]),
            branch=int(keyset["next_branch"]),
            not_after=self.house.now + GOOD_FOR,
            idempotency_key=idempotency_key or new_key(),
        )
        return Opening.of(self.house.ask("/v1/clients", request).document)

    def get(self, client: str) -> ClientRecord:
        """One client. Raises ``NotThere``."""
        return ClientRecord.of(self.house.get(f"/v1/clients/{segment(client)}"))

    def list(self) -> Iterator[ClientRecord]:
        """Every client this credential may see."""
        return self.house.listed("/v1/clients", "clients", ClientRecord.of)

    def _newest(self, chain: str | None) -> Mapping[str, Any]:
        keysets = self.house.get("/v1/keysets")["keysets"]
        newest = {each["chain"]: each for each in keysets if each["is_newest"]}
        if chain is None and len(newest) == 1:
            return next(iter(newest.values()))
        if chain not in newest:
            raise InvalidInput(f"accepted is one of {', '.join(sorted(newest))}", field="chain")
        found: Mapping[str, Any] = newest[chain]
        return found


@dataclass(frozen=True, slots=True, repr=False)
class Addresses:
    """Where clients' money comes in."""

    house: House

    def new(self, client: str, *, chain: str | None = None) -> DepositAddress:
        """The client's next deposit address, proved. Raises ``AddressNotOurs`` and ``ApiError``."""
        path = f"/v1/clients/{segment(client)}/addresses" + (f"?chain={segment(chain)}" if chain else "")
        return self.house.proved(self.house.call("POST", path).document, client=client, chain=chain)

    def list(self, client: str) -> Iterator[DepositAddress]:
        """Every address the client was given, each proved. Raises ``AddressNotOurs`` and ``ApiError``."""
        found = self.house.listed(f"/v1/clients/{segment(client)}/addresses", "addresses", dict)
        return (self.house.proved(each, client=client) for each in found)


@dataclass(frozen=True, slots=True, repr=False)
class Deposits:
    """What came in."""

    house: House

    def list(self, client: str) -> Iterator[Deposit]:
        """Every deposit to the client's addresses, oldest first."""
        return self.house.listed(f"/v1/clients/{segment(client)}/deposits", "deposits", Deposit.of)


@dataclass(frozen=True, slots=True, repr=False)
class Withdrawals:
    """Payments."""

    house: House

    def create(
        self, client: str, asset: str, amount: str, *, to: str, max_fee: str, reference: str | None = None, **more: Any
    ) -> Withdrawal:
        """Ask to have ``amount`` paid, network fee at most ``max_fee``; both decimal strings in whole units.

        ``asset`` is a code or a CAIP-19 id; ``reference`` is what the client's own books call it, and is not signed.
        ``more``: ``purpose``, ``not_after`` (a moment), ``idempotency_key``: with
        the same key and the same rest, the same withdrawal comes back, also where nobody said ``not_after`` and it was
        another moment's. Raises ``ApiError`` and ``InvalidInput``.
        """
        request = self.request(client, asset, amount, to=to, max_fee=max_fee, **more)
        try:
            return Withdrawal.of(self.house.ask("/v1/withdrawals", request, reference=reference).document)
        except InvalidRequest as error:
            # The last field: everything before it is the same.
            if error.field != "request.not_after" or "not_after" in more:
                raise
            return self._as_before(request, reference, error)

    def request(
        self,
        client: str,
        asset: str,
        amount: str,
        *,
        to: str,
        max_fee: str,
        purpose: str = "withdrawal",
        not_after: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> WithdrawalRequest:
        """What ``create`` signs. Decimals are the proved trust root's. Raises ``InvalidInput`` and ``NotProven``."""
        trust = self.house.trust()
        what = trust.asset(asset)
        fee = trust.native(what.chain)
        return WithdrawalRequest(
            requester=self.house.requester.name,
            client=client,
            asset=what.id,
            amount=parse_decimal(amount, what, field="amount").units,
            destination=to,
            max_fee=parse_decimal(max_fee, fee, field="max_fee").units,
            purpose=purpose,
            not_after=not_after or self.house.now + GOOD_FOR,
            idempotency_key=idempotency_key or new_key(),
        )

    def quote(self, client: str, asset: str, amount: str, *, to: str, max_fee: str, **more: Any) -> Mapping[str, Any]:
        """What the network fee would be now; nothing is reserved."""
        return self._tried("/v1/withdrawals/quote", self.request(client, asset, amount, to=to, max_fee=max_fee, **more))

    def evaluate(
        self, client: str, asset: str, amount: str, *, to: str, max_fee: str, **more: Any
    ) -> Mapping[str, Any]:
        """What the policy would say of it now; nothing is written, held or counted."""
        request = self.request(client, asset, amount, to=to, max_fee=max_fee, **more)
        return self._tried("/v1/withdrawals/evaluate", request)

    def get(self, withdrawal: str) -> Withdrawal:
        """One withdrawal. Raises ``NotThere``."""
        return Withdrawal.of(self.house.get(f"/v1/withdrawals/{segment(withdrawal)}"))

    def list(
        self, *, client: str | None = None, status: str | None = None, reference: str | None = None
    ) -> Iterator[Withdrawal]:
        """Withdrawals, oldest first; of one client, with one status or with one reference, where asked."""
        chosen = {"client": client, "status": status, "reference": reference}
        return self.house.listed("/v1/withdrawals", "withdrawals", Withdrawal.of, **chosen)

    def cancel(self, withdrawal: str) -> Withdrawal:
        """Cancel what no cosigner can have signed. Raises ``InConflict`` where one may have."""
        return Withdrawal.of(self.house.call("POST", f"/v1/withdrawals/{segment(withdrawal)}/cancel").document)

    def wait(self, withdrawal: str, *, until: str = "completed", timeout: float = WAIT_SECONDS) -> Withdrawal:
        """The withdrawal once its status is ``until``, has been since you began to wait, or it has ended another way.

        It listens to what the feed tells of this withdrawal, so that a status which lasts a moment is not missed.
        Raises ``StillWaiting`` with how it last stood after ``timeout`` seconds, and ``ApiError``.
        """
        ends = self.house.now + timedelta(seconds=timeout)
        cursor, newest, is_past = 0, "", True
        while True:
            left = (ends - self.house.now).total_seconds()
            patience = min(_LISTEN_SECONDS, max(math.ceil(left), 0))
            told, cursor = self.house.told(after=cursor, of=withdrawal, types=("withdrawal",), wait_seconds=patience)
            statuses = [str(event.data.get("status", "")) for event in told]
            # What was told before is its past, as long as pages are full; how it stands is the last of it.
            heard = statuses[-1:] if is_past else statuses
            newest = statuses[-1] if statuses else newest
            is_past = is_past and len(told) == MOST
            if not is_past and (until in heard or newest in FINAL):
                return self.get(withdrawal)
            if left <= 0 and not is_past:
                last = self.get(withdrawal)
                raise StillWaiting(f"{withdrawal} is {last.status} after {timeout:g} seconds", last=last)

    def _as_before(self, request: WithdrawalRequest, reference: str | None, error: InvalidRequest) -> Withdrawal:
        """What was asked for under this key; signed and asked again as it was then, as long as that can be carried out.

        Once its time is over the house says of everything else that it is the same, and what became of it is read.
        """
        query = {"client": request.client, "requester": request.requester, "idempotency_key": request.idempotency_key}
        found = next(self.house.listed("/v1/withdrawals", "withdrawals", Withdrawal.of, **query), None)
        if found is None:
            raise error
        before = replace(request, not_after=parse_rfc3339(found.raw["expires_at"], field="expires_at"))
        if before.not_after <= self.house.now:
            return found
        return Withdrawal.of(self.house.ask("/v1/withdrawals", before, reference=reference).document)

    def _tried(self, path: str, request: WithdrawalRequest) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.house.call("POST", path, body={"request": request.to_json()}).document
        return found
