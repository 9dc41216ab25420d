"""Balances of many addresses at one block, thousands a call, by ways that give the same.

Where the node takes state overrides, one ``eth_call`` runs a loop of ours over packed addresses: 20 bytes in and a word
out for each. Elsewhere Multicall3 asks for each, in calldata packed by hand; it counts only with the pinned code. Where
there is neither, every balance is a call of its own, a hundred in a request.

A token that does not answer for an address with exactly one word has no balance there, which is not a balance of zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from custody.chains.ethereum.answers import read_bytes
from custody.chains.ethereum.capabilities import PROBE, Capabilities
from custody.chains.ethereum.offline.abi import WORD, address_word, uint_word
from custody.chains.ethereum.offline.deployments import MULTICALL3
from custody.chains.ethereum.offline.erc20 import BALANCE_OF
from custody.chains.ethereum.offline.multicall import AGGREGATE3, GET_ETH_BALANCE, decode_results, uint_result
from custody.chains.ethereum.rpc import Portion, Rpc, at_block, expecting, is_forgotten
from custody.chains.port import AssetSilent, NodeRefused
from custody.kernel.errors import InvalidInput

GAS_PER_CALL: Final = 50_000_000
"""What go-ethereum lets an ``eth_call`` use unless it is told otherwise."""

NATIVE_PER_CALL: Final = 10_000
"""Reading one balance costs about 3,000 gas."""

TOKEN_PER_CALL: Final = 4_000
"""One ``balanceOf`` costs 4,000 gas and up to 12,000 behind a proxy."""

MULTICALL_PER_CALL: Final = 3_000
"""A question is 448 hex digits, and nodes take requests of one or two million characters."""

SILENT: Final = 2**256 - 1
"""Stands for no answer: no token has so many units that this could be somebody's balance."""

_NATIVE_LOOP: Final = (
    "60006000"  # o = 0, i = 0
    "5b36811015601f57"  # while i < calldata size
    "803560601c31"  # balance of the 20 bytes at i
    "8252"  # memory[o] = it
    "6014019060200190"  # i += 20, o += 32
    "600456"
    "5b506000f3"  # return memory[0:o]
)
_HOLDERS_LOOP: Final = (
    "6370a0823160e01b600052"  # memory[0:4] = selector of balanceOf
    "60003560601c"  # token = first 20 bytes
    "60606014"  # o = 96, i = 20
    "5b36811015604a57"  # while i < calldata size
    "803560601c600452"  # memory[4:36] = the 20 bytes at i
    "6020604060246000865afa"  # static call of token with memory[0:36], answer to memory[64:96]
    "3d60201416"  # ok = it succeeded and answered 32 bytes
    "6001900360405117"  # the answer, or-ed with ok - 1, which is all ones when it is not ok
    "8252"  # memory[o] = it
    "6014019060200190"  # i += 20, o += 32
    "601556"
    "5b50606090036060f3"  # return memory[96:o]
)


class Way(StrEnum):
    """How balances are asked for."""

    OVERRIDE = "override"
    MULTICALL = "multicall"
    EACH = "each"


class TokenSilent(AssetSilent):
    """A token does not say what somebody has: it is no token, or it fails for that address."""

    code = "token-silent"


def best_way(capabilities: Capabilities) -> Way:
    """The fastest of what the node offers."""
    if capabilities.overrides:
        return Way.OVERRIDE
    return Way.MULTICALL if capabilities.multicall else Way.EACH


class Balances:
    """Balances at one node. Remembers how many addresses it lets a call ask for."""

    def __init__(self, rpc: Rpc, *, timeout_seconds: float) -> None:
        self._rpc = rpc
        self._timeout_seconds = timeout_seconds
        self._portions = {
            (way, is_native): Portion(min(MULTICALL_PER_CALL, most) if way is Way.MULTICALL else most)
            for way in Way
            for is_native, most in ((True, NATIVE_PER_CALL), (False, TOKEN_PER_CALL))
        }

    def read(
        self, locators: Sequence[bytes], *, token: bytes | None, block_hash: str, way: Way, asset: str = ""
    ) -> list[int]:
        """What each has at the block: wei, or units of ``token``. In the order asked.

        Raises ``TokenSilent``, and ``NodeRefused`` when the node has no such block, or no state of it.
        """
        if not set(map(len, locators)) <= {20}:
            raise InvalidInput("an address has 20 bytes", field="locators")
        portion = self._portions[way, token is None]
        found: list[int] = []
        while len(found) < len(locators):
            asked = locators[len(found) : len(found) + portion.size]
            try:
                found += self._ask(asked, token, block_hash, way)
            except NodeRefused as refusal:
                if is_forgotten(refusal):
                    raise
                portion.halve(refusal, len(asked))
            else:
                portion.went_well()
        if token is not None and SILENT in found:
            self._ask_again(found, locators, token, block_hash, way, asset)
        return found

    def _ask(self, asked: Sequence[bytes], token: bytes | None, block_hash: str, way: Way) -> list[int]:
        if way is Way.OVERRIDE:
            return self._by_override(asked, token, block_hash)
        if way is Way.MULTICALL:
            return self._by_multicall(asked, token, block_hash)
        return self._each(asked, token, block_hash)

    def _ask_again(
        self, found: list[int], locators: Sequence[bytes], token: bytes, block_hash: str, way: Way, asset: str
    ) -> None:
        """Alone, with all the gas: near the end of a call there may have been too little left for an answer."""
        for place in [place for place, units in enumerate(found) if units == SILENT]:
            (found[place],) = self._ask(locators[place : place + 1], token, block_hash, way)
            if found[place] == SILENT:
                raise TokenSilent("a token does not say what an address has", asset=asset, holder=locators[place].hex())

    def _by_override(self, asked: Sequence[bytes], token: bytes | None, block_hash: str) -> list[int]:
        data, code = (b"", _NATIVE_LOOP) if token is None else (token, _HOLDERS_LOOP)
        call, placed = _call(PROBE, data + b"".join(asked)), {PROBE: {"code": "0x" + code}}
        answer = self._rpc.call("eth_call", call, at_block(block_hash), placed, timeout_seconds=self._timeout_seconds)
        with expecting("eth_call"):
            words = read_bytes(answer)
            if len(words) != WORD * len(asked):
                raise ValueError("not a word for each address")
            return _numbers(words)

    def _by_multicall(self, asked: Sequence[bytes], token: bytes | None, block_hash: str) -> list[int]:
        call = _call(MULTICALL3.address, pack_questions(asked, token))
        answer = self._rpc.call("eth_call", call, at_block(block_hash), timeout_seconds=self._timeout_seconds)
        with expecting("eth_call"):
            return read_results(read_bytes(answer), expected=len(asked))

    def _each(self, asked: Sequence[bytes], token: bytes | None, block_hash: str) -> list[int]:
        block = at_block(block_hash)
        if token is None:
            answers = self._rpc.batch([("eth_getBalance", ("0x" + locator.hex(), block)) for locator in asked])
            with expecting("eth_getBalance"):
                return [int(_or_raise(answer), 16) for answer in answers]
        to = "0x" + token.hex()
        calls = [_call(to, BALANCE_OF + address_word(locator)) for locator in asked]
        answers = self._rpc.batch([("eth_call", (call, block)) for call in calls])
        with expecting("eth_call"):
            return [_one_word(answer) for answer in answers]


_TO_NATIVE: Final = address_word(MULTICALL3.raw)
_HEAD: Final = uint_word(WORD)
_MAY_FAIL_WITH_36_BYTES: Final = uint_word(1) + uint_word(3 * WORD) + uint_word(36)
_QUESTION_BYTES: Final = 6 * WORD
_SUCCESS: Final = uint_word(1) + uint_word(2 * WORD) + uint_word(WORD)


def pack_questions(asked: Sequence[bytes], token: bytes | None) -> bytes:
    """``aggregate3`` of one question for each address: ``getEthBalance`` of Multicall3 itself, or ``balanceOf``.

    Byte for byte what ``encode_aggregate3`` gives; all questions are of one shape, so only addresses differ.
    """
    to, selector = (_TO_NATIVE, GET_ETH_BALANCE) if token is None else (address_word(token), BALANCE_OF)
    before = to + _MAY_FAIL_WITH_36_BYTES + selector + bytes(12)
    after = bytes(28)
    first = WORD * len(asked)
    offsets = b"".join(
        place.to_bytes(WORD, "big") for place in range(first, first + _QUESTION_BYTES * len(asked), _QUESTION_BYTES)
    )
    questions = before + (after + before).join(asked) + after if asked else b""
    return AGGREGATE3 + _HEAD + uint_word(len(asked)) + offsets + questions


def read_results(data: bytes, *, expected: int) -> list[int]:
    """The numbers ``aggregate3`` answered, ``SILENT`` where a question failed. Raises ``ValueError`` for nonsense."""
    size = len(_SUCCESS) + WORD
    start = 2 * WORD + WORD * expected
    body = data[start:]
    if len(body) == size * expected and data[: 2 * WORD] == _HEAD + uint_word(expected):
        heads = {body[place : place + len(_SUCCESS)] for place in range(0, len(body), size)}
        if heads <= {_SUCCESS}:
            return [
                int.from_bytes(body[place : place + WORD], "big") for place in range(len(_SUCCESS), len(body), size)
            ]
    try:
        results = decode_results(data, expected=expected)
    except InvalidInput as wrong:
        raise ValueError(wrong.message) from wrong
    numbers = map(uint_result, results)
    return [SILENT if number is None else number for number in numbers]


def _call(to: str, data: bytes) -> dict[str, str]:
    return {"to": to, "data": "0x" + data.hex(), "gas": hex(GAS_PER_CALL)}


def _numbers(words: bytes) -> list[int]:
    return [int.from_bytes(words[place : place + WORD], "big") for place in range(0, len(words), WORD)]


def _one_word(answer: Any) -> int:
    if isinstance(answer, NodeRefused):
        return SILENT
    raw = read_bytes(answer)
    return int.from_bytes(raw, "big") if len(raw) == WORD else SILENT


def _or_raise(answer: Any) -> str:
    if isinstance(answer, NodeRefused):
        raise answer
    found: str = answer
    return found
