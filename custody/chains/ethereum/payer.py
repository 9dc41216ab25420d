"""The relayer's key, and what its transactions call. It pays gas and has no authority over any Safe.

A carriage's weight is gas, its rate ``maxFeePerGas``, its tip ``maxPriorityFeePerGas``, its number the account's nonce.
Signed are transactions with a base fee (EIP-1559) that move no ether, on one chain, and nothing else: what the key is
handed is a ``Carriage``, never a digest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import coincurve

from custody.chains.carrying import (
    Carriage,
    CarriageMismatch,
    Draft,
    PayerKey,
    PayerRules,
    Prospect,
    Readiness,
    SignedCarriage,
)
from custody.chains.ethereum.offline import rlp
from custody.chains.ethereum.offline.address import address_bytes
from custody.chains.ethereum.offline.ecdsa import ORDER, address_of_key
from custody.chains.ethereum.offline.execution import (
    RelayerCall,
    deploy_and_execute,
    execute,
    execute_several,
)
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.transaction import SignedTransaction, decode_transaction
from custody.chains.ethereum.spending import EthereumSpending, Execution
from custody.kernel.errors import InvalidInput

PLAIN_GAS: Final = 21_000
SHARED_GAS: Final = 60_000
"""For what a transaction of several does around them."""

_KIND: Final = 2
_SECRET: Final = re.compile(r"(?:0x)?([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


class EthereumPayer:
    """One network's payers."""

    def __init__(self, chain: str) -> None:
        self._network = network(chain)
        self._spending = EthereumSpending(chain)

    def rules(self, block: Mapping[str, Any], *, required_depth: int) -> PayerRules:
        """Read the ``fee`` of the network's block of ``chains.toml``."""
        fee = block["fee"]
        return PayerRules(
            rate_cap=fee["cap_wei_gas"],
            tip_cap=fee["tip_cap_wei_gas"],
            low_units=fee["low_payer_wei"],
            required_depth=required_depth,
            raise_after=timedelta(seconds=fee["replace_seconds"]),
            tip_floor=fee["tip_floor_wei_gas"],
            base_factor_bps=fee["base_fee_multiplier_bps"],
            bump_bps=fee["bump_bps"],
            weight_cap=fee["most_gas"],
            fees_billed=fee["billed"],
        )

    def open_key(self, text: str) -> PayerKey:
        """The key out of 64 hex digits, with or without ``0x``. Raises ``InvalidInput``, which repeats none of it."""
        return open_payer_key(text, chain=self._network.chain)

    def draft(self, loads: Sequence[tuple[bytes, Prospect]]) -> Draft:
        """One transaction for these executions. Raises ``InvalidInput`` for several of which one is not ``READY``."""
        if any(not prospect.can_go for _, prospect in loads) or not loads:
            raise InvalidInput("accepted are spends that can go, at least one", field="loads")
        found = [(self._spending.read_execution(raw), prospect) for raw, prospect in loads]
        weights = {prospect.spend: max(prospect.weight - PLAIN_GAS, 1) for _, prospect in found}
        if len(found) == 1:
            execution, prospect = found[0]
            call = call_of(execution, deploying=prospect.readiness is Readiness.FIRST)
            return Draft(call.to, call.data, _ample(prospect.weight), weights)
        if any(prospect.readiness is not Readiness.READY for _, prospect in found):
            raise InvalidInput("a Safe that is not there yet is deployed alone", field="loads")
        call = execute_several([execution.signed for execution, _ in found])
        return Draft(call.to, call.data, _ample(sum(weights.values()) + SHARED_GAS), weights)

    def idle(self, account: str) -> Draft:
        """A call of the payer by itself, of nothing."""
        return Draft(account, b"", PLAIN_GAS, {})

    def claim(self, final: bytes) -> str:
        """The Safe and its nonce. Raises ``InvalidInput``."""
        attempt = self._spending.read_execution(final).attempt
        return f"{attempt.safe}#{attempt.tx.nonce}"

    def paid_units(self, final: bytes) -> int | None:
        """Wei that leave the Safe; ``None`` for tokens alone."""
        effect = self._spending.payments_of(self._spending.read_execution(final).attempt.text)
        paid = [item.units for item in effect.payments if item.asset == self._network.asset.id]
        return sum(paid) if paid else None


def call_of(execution: Execution, *, deploying: bool) -> RelayerCall:
    """What carries one execution alone."""
    if deploying:
        return deploy_and_execute(execution.safes, execution.salt_nonce, execution.signed)
    return execute(execution.signed)


def open_payer_key(text: str, *, chain: str) -> PayerKey:
    """The relayer's key of one network. Raises ``InvalidInput``, which repeats none of the text."""
    match = _SECRET.fullmatch(text.strip())
    secret = b"" if match is None else bytes.fromhex(match.group(1))
    if not 0 < int.from_bytes(secret, "big") < ORDER:
        raise InvalidInput("not a private key; accepted are 64 hex digits", field="payer_key")
    key = coincurve.PrivateKey(secret)
    account = address_of_key(key.public_key.format())

    def sign(carriage: Carriage) -> SignedCarriage:
        if carriage.chain != chain:
            raise InvalidInput(f"a carriage of another chain; accepted is {chain}", field="carriage.chain")
        fields = _fields(carriage)
        digest = keccak(bytes([_KIND]) + rlp.encode(fields))
        made: bytes = key.sign_recoverable(digest, hasher=None)
        numbers = made[64], int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big")
        raw = bytes([_KIND]) + rlp.encode([*fields, *map(rlp.encode_number, numbers)])
        return _read_back(raw, carriage, account)

    return PayerKey(account, address_bytes(account), sign)


def _fields(carriage: Carriage) -> list[rlp.Item]:
    return [
        rlp.encode_number(network(carriage.chain).chain_id),
        rlp.encode_number(carriage.number),
        rlp.encode_number(carriage.bid.tip),
        rlp.encode_number(carriage.bid.rate),
        rlp.encode_number(carriage.weight_limit),
        address_bytes(carriage.to, field="carriage.to"),
        rlp.encode_number(0),
        carriage.data,
        [],
    ]


def _read_back(raw: bytes, carriage: Carriage, account: str) -> SignedCarriage:
    found = decode_transaction(raw, field="carriage")
    asked = SignedTransaction(
        kind=_KIND,
        chain_id=network(carriage.chain).chain_id,
        nonce=carriage.number,
        max_fee_per_gas=carriage.bid.rate,
        max_priority_fee_per_gas=carriage.bid.tip,
        gas_limit=carriage.weight_limit,
        to=carriage.to,
        value=0,
        data=carriage.data,
        sender=account,
        hash=keccak(raw),
    )
    if found != asked:
        raise CarriageMismatch("what was signed reads back as another transaction", number=carriage.number)
    return SignedCarriage(raw, "0x" + found.hash.hex())


def _ample(gas: int) -> int:
    # An estimate is the least with which nothing fails; a call inside keeps a 64th of what it was given.
    return gas + gas // 5
