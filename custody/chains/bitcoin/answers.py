"""The node's JSON read into the port's values, strictly: what does not fit raises ``NodeUnavailable``.

``asset`` is the id of the network's bitcoin: an output holds nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from custody.chains.bitcoin.rpc import expecting, to_sat
from custody.chains.port import Block, ChainTransaction, Credit, Debit, Holding

Answer = Mapping[str, Any]


def read_block(answer: Answer, *, asset: str) -> Block:
    """``getblock`` at verbosity 3."""
    with expecting("getblock"):
        return Block(
            height=_whole(answer["height"]),
            hash=_hash(answer["hash"]),
            parent=_hash(answer["previousblockhash"]) if "previousblockhash" in answer else None,
            time=datetime.fromtimestamp(_whole(answer["time"]), UTC),
            transactions=tuple(_transaction(transaction, asset) for transaction in answer["tx"]),
        )


def read_transaction(answer: Answer, *, asset: str) -> ChainTransaction:
    """``getrawtransaction`` at verbosity 1."""
    with expecting("getrawtransaction"):
        return _transaction(answer, asset)


def read_holdings(answers: Iterable[Answer], *, asset: str) -> list[Holding]:
    """The ``unspents`` of ``scantxoutset``."""
    with expecting("scantxoutset"):
        return [_holding(answer, asset) for answer in answers]


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


def _transaction(answer: Answer, asset: str) -> ChainTransaction:
    coinbase = any("coinbase" in spent for spent in answer["vin"])
    txid = _hash(answer["txid"])
    return ChainTransaction(
        txid=txid,
        coinbase=coinbase,
        debits=() if coinbase else tuple(_debit(spent, txid, asset) for spent in answer["vin"]),
        credits=tuple(_credit(output, asset) for output in answer["vout"]),
    )


def _debit(answer: Answer, spender: str, asset: str) -> Debit:
    spent = answer.get("prevout")
    return Debit(
        txid=_hash(answer["txid"]),
        position=_whole(answer["vout"]),
        locator=None if spent is None else bytes.fromhex(spent["scriptPubKey"]["hex"]),
        asset=asset,
        units=None if spent is None else to_sat(spent["value"]),
        spend=spender,
    )


def _credit(answer: Answer, asset: str) -> Credit:
    return Credit(
        position=_whole(answer["n"]),
        locator=bytes.fromhex(answer["scriptPubKey"]["hex"]),
        asset=asset,
        units=to_sat(answer["value"]),
    )


def _holding(answer: Answer, asset: str) -> Holding:
    return Holding(
        locator=bytes.fromhex(answer["scriptPubKey"]),
        asset=asset,
        units=to_sat(answer["amount"]),
        txid=_hash(answer["txid"]),
        position=_whole(answer["vout"]),
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
