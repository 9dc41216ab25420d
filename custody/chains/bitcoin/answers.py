"""The node's JSON read into the port's values, strictly: what does not fit raises ``NodeUnavailable``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from custody.chains.bitcoin.rpc import expecting, to_sat
from custody.chains.port import Block, ChainInput, ChainOutput, ChainTransaction, Unspent

Answer = Mapping[str, Any]


def read_block(answer: Answer) -> Block:
    """``getblock`` at verbosity 3."""
    with expecting("getblock"):
        return Block(
            height=_whole(answer["height"]),
            hash=_hash(answer["hash"]),
            parent=_hash(answer["previousblockhash"]) if "previousblockhash" in answer else None,
            time=datetime.fromtimestamp(_whole(answer["time"]), UTC),
            transactions=tuple(_transaction(transaction) for transaction in answer["tx"]),
        )


def read_transaction(answer: Answer) -> ChainTransaction:
    """``getrawtransaction`` at verbosity 1."""
    with expecting("getrawtransaction"):
        return _transaction(answer)


def read_unspents(answers: Iterable[Answer]) -> list[Unspent]:
    """The ``unspents`` of ``scantxoutset``."""
    with expecting("scantxoutset"):
        return [_unspent(answer) for answer in answers]


def read_feerate(answer: Answer) -> int | None:
    """``estimatesmartfee`` in satoshi per 1000 virtual bytes; ``None`` for anything that is no amount of BTC."""
    try:
        return to_sat(answer["feerate"])
    except (KeyError, TypeError, ValueError):
        return None


def read_hash(answer: object, what: str) -> str:
    """A block's or transaction's id, 64 lower-case hex digits."""
    with expecting(what):
        return _hash(answer)


def read_height(answer: object, what: str) -> int:
    """A height, 0 or more."""
    with expecting(what):
        return _whole(answer)


def _transaction(answer: Answer) -> ChainTransaction:
    coinbase = any("coinbase" in spent for spent in answer["vin"])
    return ChainTransaction(
        txid=_hash(answer["txid"]),
        coinbase=coinbase,
        inputs=() if coinbase else tuple(_input(spent) for spent in answer["vin"]),
        outputs=tuple(_output(output) for output in answer["vout"]),
    )


def _input(answer: Answer) -> ChainInput:
    spent = answer.get("prevout")
    return ChainInput(
        txid=_hash(answer["txid"]),
        vout=_whole(answer["vout"]),
        script_pubkey=None if spent is None else bytes.fromhex(spent["scriptPubKey"]["hex"]),
        units=None if spent is None else to_sat(spent["value"]),
    )


def _output(answer: Answer) -> ChainOutput:
    return ChainOutput(
        vout=_whole(answer["n"]),
        script_pubkey=bytes.fromhex(answer["scriptPubKey"]["hex"]),
        units=to_sat(answer["value"]),
    )


def _unspent(answer: Answer) -> Unspent:
    return Unspent(
        txid=_hash(answer["txid"]),
        vout=_whole(answer["vout"]),
        script_pubkey=bytes.fromhex(answer["scriptPubKey"]),
        units=to_sat(answer["amount"]),
        height=_whole(answer["height"]),
        coinbase=answer["coinbase"] is True,
    )


def _hash(value: object) -> str:
    if not isinstance(value, str) or len(value) != 64 or bytes.fromhex(value).hex() != value:
        raise ValueError("not a hash")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a whole number")
    return value
