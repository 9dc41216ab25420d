"""Contracts on a test chain: made from ``tests/contracts`` or found at an address, and called by name.

Not the daemon's own encoding, on purpose: what the daemon builds is compared with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from eth_abi.abi import decode, encode
from eth_typing import ABIEvent, ABIFunction
from eth_utils.abi import (
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
)
from eth_utils.address import to_checksum_address

from demo.evm import contracts
from demo.evm.node import FAUCET
from demo.servers import Anvil
from tests.contracts import artefact


@dataclass(frozen=True)
class Contract:
    """A contract at an address of one chain."""

    anvil: Anvil
    address: str
    abi: Sequence[dict[str, Any]]

    def calldata(self, function: str, *arguments: Any) -> bytes:
        """The call of ``function``, encoded."""
        described = cast("ABIFunction", self._described("function", function))
        return function_abi_to_4byte_selector(described) + encode(get_abi_input_types(described), arguments)

    def call(self, function: str, *arguments: Any, sender: str = FAUCET, block: str = "latest") -> Any:
        """Ask without a transaction: one value, or a tuple of several. Raises ``NodeRefused`` when it reverts."""
        request = {"from": sender, "to": self.address, "data": f"0x{self.calldata(function, *arguments).hex()}"}
        answer = bytes.fromhex(self.anvil.rpc("eth_call", request, block)[2:])
        described = cast("ABIFunction", self._described("function", function))
        values = decode(get_abi_output_types(described), answer)
        return values[0] if len(values) == 1 else values

    def transact(
        self, function: str, *arguments: Any, amount_wei: int = 0, sender: str = FAUCET, gas: int | None = None
    ) -> dict[str, Any]:
        """Call by a transaction and return its receipt. Raises what ``Anvil.transact`` raises."""
        data = self.calldata(function, *arguments)
        return self.anvil.transact(self.address, amount_wei, data, sender=sender, gas=gas)

    def logs(self, receipt: dict[str, Any], event: str) -> list[dict[str, Any]]:
        """What this contract logged as ``event`` in a transaction: values by name, in order."""
        described = self._described("event", event)
        topic = f"0x{event_abi_to_log_topic(cast('ABIEvent', described)).hex()}"
        mine = [log for log in receipt["logs"] if log["address"].lower() == self.address.lower()]
        return [_values(described["inputs"], log) for log in mine if log["topics"][0] == topic]

    def _described(self, kind: str, name: str) -> dict[str, Any]:
        return next(entry for entry in self.abi if entry["type"] == kind and entry["name"] == name)


def deploy(anvil: Anvil, name: str, *arguments: Any, amount_wei: int = 0, sender: str = FAUCET) -> Contract:
    """Make the test contract ``name`` of ``tests/contracts``."""
    found = artefact(name)
    constructors = [entry for entry in found.abi if entry["type"] == "constructor"]
    types = [given["type"] for entry in constructors for given in entry["inputs"]]
    receipt = anvil.transact(None, amount_wei, found.bytecode + encode(types, arguments), sender=sender)
    return Contract(anvil, to_checksum_address(receipt["contractAddress"]), found.abi)


def deploy_token(
    anvil: Anvil, name: str = "Token", *, decimals: int = 6, holder: str = FAUCET, supply: int = 10**40
) -> Contract:
    """Make one of the odd tokens; ``holder`` has the supply, in base units."""
    return deploy(anvil, name, name, decimals, holder, supply)


def at(anvil: Anvil, name: str, address: str) -> Contract:
    """A test contract's interface at any address."""
    return Contract(anvil, address, artefact(name).abi)


def placed(anvil: Anvil, contract: contracts.Placed, address: str | None = None) -> Contract:
    """One of mainnet's contracts where it is, or its interface at ``address`` (a Safe has its singleton's)."""
    return Contract(anvil, address or contract.address, contracts.abi(contract.file))


def _values(inputs: Sequence[dict[str, Any]], log: dict[str, Any]) -> dict[str, Any]:
    topics = iter(log["topics"][1:])
    plain = [each for each in inputs if not each["indexed"]]
    data = iter(decode([each["type"] for each in plain], bytes.fromhex(log["data"][2:])))
    values = {}
    for each in inputs:
        if each["indexed"]:
            values[each["name"]] = decode([each["type"]], bytes.fromhex(next(topics)[2:]))[0]
        else:
            values[each["name"]] = next(data)
    return values
