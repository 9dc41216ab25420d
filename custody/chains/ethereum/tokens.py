"""Asking a contract whether it is the token it is registered as: code, ``decimals``, ``symbol`` and ``balanceOf``.

A contract answers whatever it likes, so every answer is read strictly, bounded, and compared; none is believed.
"""

from __future__ import annotations

from typing import Any, Final

from custody.chains.ethereum.addressing import EthereumAddressing
from custody.chains.ethereum.answers import read_bytes
from custody.chains.ethereum.offline.abi import WORD
from custody.chains.ethereum.offline.erc20 import encode_balance_of
from custody.chains.ethereum.offline.network import Network
from custody.chains.ethereum.rpc import Rpc, expecting
from custody.chains.inspecting import Inspected, native_inspected
from custody.chains.port import NodeRefused
from custody.kernel.money import Asset

DECIMALS: Final = bytes.fromhex("313ce567")
SYMBOL: Final = bytes.fromhex("95d89b41")
MOST_NAME: Final = 16
"""Characters of a name that are shown."""
_HOLDER: Final = "0x" + "5a" * 20
"""Anybody: what is asked is whether an answer comes."""


def inspect(rpc: Rpc, network: Network, asset: Asset) -> Inspected:
    """What the newest block says of ``asset``. Raises ``NodeUnavailable``, and ``InvalidInput`` for another chain's."""
    home = EthereumAddressing(network).home_of(asset.id)
    if home is None:
        return native_inspected(asset)
    contract = "0x" + home.hex()
    if not has_code(rpc, home):
        return Inspected(asset, None, None, ("there is no contract at this address",))
    return _compare(
        asset,
        decimals=_number(_ask(rpc, contract, DECIMALS)),
        name=read_name(_ask(rpc, contract, SYMBOL)),
        balance=_ask(rpc, contract, encode_balance_of(_HOLDER)),
    )


def has_code(rpc: Rpc, place: bytes) -> bool:
    """Whether a contract lives at the address, at the newest block. Raises ``NodeUnavailable``."""
    code = rpc.call("eth_getCode", "0x" + place.hex(), "latest")
    with expecting("eth_getCode"):
        return bool(read_bytes(code))


def _compare(asset: Asset, *, decimals: int | None, name: str | None, balance: bytes | None) -> Inspected:
    problems, notes = [], []
    if decimals is None:
        notes.append(f"says no decimals; the registered {asset.decimals} count")
    elif decimals != asset.decimals:
        problems.append(f"says {decimals} decimals, registered are {asset.decimals}")
    if balance is None or len(balance) != WORD:
        problems.append("does not say what an address has: not a token")
    if name is None:
        notes.append("says no name")
    elif name != asset.code:
        notes.append("calls itself something else than it is registered as")
    return Inspected(asset, decimals, name, tuple(problems), tuple(notes))


def _ask(rpc: Rpc, contract: str, data: bytes) -> bytes | None:
    """The answer, ``None`` where it reverts or is none."""
    try:
        answer: Any = rpc.call("eth_call", {"to": contract, "data": "0x" + data.hex()}, "latest")
    except NodeRefused:
        return None
    with expecting("eth_call"):
        return read_bytes(answer)


def _number(answer: bytes | None) -> int | None:
    """One word; more than 32 bits count as an answer too, which then is not the registered one."""
    return int.from_bytes(answer, "big") if answer is not None and len(answer) == WORD else None


def read_name(answer: bytes | None) -> str | None:
    """A name as a string or as bytes32, its first ``MOST_NAME`` characters made plain; None for anything else.

    However long it says it is, no more than that is looked at.
    """
    if answer is None or len(answer) < WORD:
        return None
    if len(answer) == WORD:
        return _plain(answer.split(b"\0", 1)[0])
    start, size = int.from_bytes(answer[:WORD], "big"), int.from_bytes(answer[WORD : 2 * WORD], "big")
    if start != WORD or size > len(answer) - 2 * WORD:
        return None
    return _plain(answer[2 * WORD : 2 * WORD + min(size, 4 * MOST_NAME)])


def _plain(raw: bytes) -> str | None:
    """Printable ASCII; every other character is a question mark, so that nothing can look like something else."""
    text = raw.decode("utf-8", "replace")[:MOST_NAME]
    return "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in text) or None
