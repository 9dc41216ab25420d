"""Spends of a vault as PSBTs: composing one, verifying cosigners' answers, finalising, and reading what bytes pay.

Implements ``Spending``. ``unsigned`` is a PSBT in base64, ``spend`` a txid, ``weight`` virtual bytes; fee rates are
satoshi per 1000 virtual bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from custody.chains import spending as port
from custody.chains.bitcoin.addressing import descriptor_of
from custody.chains.bitcoin.offline.address import address_of
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.psbt import (
    PayOutput,
    Psbt,
    SignatureRefused,
    SpendInput,
    add_signatures,
    compose,
    finalize,
    parse_psbt,
    verified_signatures,
)
from custody.chains.bitcoin.offline.transaction import MalformedTransaction, Transaction, parse_transaction
from custody.chains.bitcoin.planning import coins_of
from custody.chains.bitcoin.terms import BitcoinTerms
from custody.chains.spending import AnswerRefused, Composed, Effect, FeeRateWords, Input, Payment, Plan
from custody.evidence.keysets import Keyset
from custody.kernel.errors import InvalidInput

FEE_RATE: Final = FeeRateWords(field="fee_rate_sat_vb", words="sat/vB", highest=10_000, scale=1_000)
"""Above 10,000 sat/vB a Bitcoin node itself takes a rate for a mistake."""


class BitcoinSpending:
    """One network's spends."""

    fees_from_vault = True
    can_be_left = False
    fee_rate = FEE_RATE

    def __init__(self, chain: str) -> None:
        self._network = network(chain)

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return self._network.chain

    def for_vaults_of(self, chain: str) -> BitcoinSpending:
        """Itself: of another network's vaults nothing is spent. Raises ``InvalidInput``."""
        if chain != self.chain:
            raise InvalidInput(f"spends of no other vaults; accepted is {self.chain}", field="chain")
        return self

    def terms(self, block: Mapping[str, Any]) -> BitcoinTerms:
        """The network's block of ``chains.toml`` as terms."""
        return BitcoinTerms.from_block(block)

    def compose(self, plan: Plan, *, keyset: Keyset, branch: int, change_index: int | None) -> Composed:
        """The plan's coins into the payment and its change.

        Raises ``InvalidInput`` as ``psbt.compose`` does, and for an order that pays nobody.
        """
        descriptor, order = descriptor_of(keyset, branch), plan.order
        if order.pays_nobody:
            raise InvalidInput("pays nobody; accepted here is a payment", field="order")
        inputs = [
            SpendInput(
                txid=coin.txid,
                vout=coin.position,
                amount_sat=coin.units,
                previous_transaction=plan.proofs[coin.txid],
                descriptor=descriptor,
                change=coin.change,
                index=coin.index,
            )
            for coin in coins_of(plan.inputs)
        ]
        outputs = [PayOutput(script_pubkey=order.locator, amount_sat=order.units, own=None)]
        if change_index is not None and plan.change_units is not None:
            script = descriptor.derive(change=True, index=change_index).script_pubkey
            own = (descriptor, change_index)
            outputs.append(PayOutput(script_pubkey=script, amount_sat=plan.change_units, own=own))
        psbt = compose(inputs=inputs, outputs=outputs, network=self._network)
        return Composed(psbt.base64, psbt.txid, psbt.fee_sat, plan.weight)

    def read_answer(
        self, answer: object, *, unsigned: str, inputs: Sequence[Input], keyset: Keyset, branch: int, cosigner: str
    ) -> dict[str, str]:
        """The cosigner's signature of every input, in hex by the input's number.

        Raises ``AnswerRefused`` with the reasons of ``SignatureRefused``, and ``InvalidInput`` for what is no PSBT.
        """
        ours, pubkeys = _ours(unsigned), _pubkeys(inputs, keyset, branch, cosigner)
        returned = parse_psbt(answer)
        with _refusing():
            found = verified_signatures(ours=ours, returned=returned, pubkeys=pubkeys)
        return {str(index): signature.hex() for index, signature in found.items()}

    def finalise(
        self,
        signatures: Mapping[str, Mapping[str, str]],
        *,
        unsigned: str,
        inputs: Sequence[Input],
        keyset: Keyset,
        branch: int,
    ) -> port.Final:
        """The transaction a node takes. Raises ``NotFinal`` without a quorum, ``AnswerRefused`` as reading did."""
        merged = _ours(unsigned)
        for cosigner, theirs in signatures.items():
            pubkeys = _pubkeys(inputs, keyset, branch, cosigner)
            found = {int(index): bytes.fromhex(signature) for index, signature in theirs.items()}
            with _refusing():
                merged = add_signatures(merged, pubkeys=pubkeys, signatures=found)
        final = finalize(merged)
        return port.Final(final.raw, final.txid, final.vsize)

    def read_final(self, raw: bytes) -> port.Final:
        """The transaction's id and virtual size. Raises ``InvalidInput``."""
        transaction = _transaction(raw)
        return port.Final(raw, transaction.txid, transaction.vsize)

    def payments_of(self, unsigned: str) -> Effect:
        """What the PSBT spends and pays, its amounts as it states them. Raises ``InvalidInput``."""
        psbt = _ours(unsigned)
        return Effect(
            spend=psbt.txid,
            claims=frozenset(view.outpoint for view in psbt.inputs),
            payments=tuple(
                Payment(
                    address_of(output.script_pubkey, self._network),
                    output.script_pubkey,
                    output.amount_sat,
                    self._network.asset.id,
                )
                for output in psbt.outputs
            ),
            fee_units=psbt.fee_sat,
        )

    def is_signed(self, unsigned: str, raw: bytes) -> bool:
        """Whether the transaction is the PSBT's with witnesses. Raises ``InvalidInput``."""
        return _transaction(raw).stripped == _ours(unsigned).unsigned_transaction


@lru_cache(maxsize=4)
def _ours(unsigned: str) -> Psbt:
    """What we composed, read again, a few kept: every cosigner of a quorum answers to the same text."""
    return parse_psbt(unsigned)


def _pubkeys(inputs: Sequence[Input], keyset: Keyset, branch: int, cosigner: str) -> list[bytes]:
    """The cosigner's key at each input as **we** derive it; what an answer says about keys is not read."""
    place = next(place for place, member in enumerate(keyset.cosigners) if member.id == cosigner)
    descriptor = descriptor_of(keyset, branch)
    return [descriptor.derive(change=coin.change, index=coin.index).pubkeys[place] for coin in coins_of(inputs)]


def _transaction(raw: bytes) -> Transaction:
    try:
        return parse_transaction(raw)
    except MalformedTransaction as error:
        raise InvalidInput(f"not a transaction: {error}", field="final") from error


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except SignatureRefused as refused:
        raise AnswerRefused(refused.message, field=refused.field, **refused.facts) from refused
