"""Spends of a vault as SafeTxs: composing one, verifying owners' signatures, the execution, and reading what bytes pay.

Implements ``Spending``. An input is a ``Turn``: a Safe and its nonce. ``spend`` is the SafeTx hash, ``0x`` and hex,
which ``ExecutionSuccess`` carries. ``weight`` is gas. The fee is not the vault's: whoever relays pays it, so it is 0.

``unsigned`` is canonical JSON (RFC 8785) of ``{"chain_id": number, "safe": address, "safe_tx": SafeTx.to_json()}``.
``raw`` of a ``Final`` is canonical JSON of ``{"chain_id": number, "create": hex, "data": hex, "nonce": text, "to":
address}``: ``to`` is the Safe and ``data`` its ``execTransaction``; ``create`` is the factory's call that deploys it,
which is needed for nonce 0 alone and only while no code stands there. The Safe's address commits to the owners and
threshold inside ``create``, so the envelope shows by itself that a quorum of that Safe's owners signed.

Which token is paid is read from the bytes: the contract that is called. A ``Payment`` names it as its asset, for
whoever compares it with an intent. A list of registered assets given at construction narrows this to them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from custody.chains import spending as port
from custody.chains.ethereum.offline.address import address_bytes, expect_checksummed
from custody.chains.ethereum.offline.deployments import known_name
from custody.chains.ethereum.offline.ecdsa import ORDER, address_of_key
from custody.chains.ethereum.offline.effect import EffectRefused, effect_of, no_op
from custody.chains.ethereum.offline.eip712 import typed_data_digest
from custody.chains.ethereum.offline.execution import SignedSafeTx, decode_execution, encode_execution
from custody.chains.ethereum.offline.multisend import BatchDelegates, decode_multisend
from custody.chains.ethereum.offline.network import Network, network
from custody.chains.ethereum.offline.proxy import ProxyCode, Safes, SafeSetup, decode_create, salt_nonce
from custody.chains.ethereum.offline.safe_tx import CALL, SafeTx, typed_data
from custody.chains.ethereum.offline.signatures import (
    OwnerSignatureRefused,
    SignatureKind,
    assemble,
    check_signatures,
    parse_signature,
    recover_owner,
)
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.chains.ethereum.planning import call_of, contract_of
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.spending import (
    AnswerRefused,
    Composed,
    Effect,
    FeeRateWords,
    Input,
    Order,
    Payment,
    Plan,
    SpendMismatch,
    Turn,
)
from custody.evidence.keysets import Keyset
from custody.kernel.canonical import canonical_json, parse_json
from custody.kernel.errors import InvalidInput

FEE_RATE: Final = FeeRateWords(field="fee_rate_gwei", words="gwei per gas", highest=10_000, scale=10**9)
"""Ethereum has never asked for 10,000 gwei."""

NATIVE_GAS: Final = 75_000
"""Above what one execution by a 2-of-3 Safe was measured to take: ether to an account that is there."""
TOKEN_GAS: Final = 83_000
"""The same for ``transfer`` of a plain token to a holder. A token with more to do takes more."""
NEW_ACCOUNT_GAS: Final = 25_000
"""More for ether to an account that is not there yet: bytes do not say whether it is."""
NEW_HOLDER_GAS: Final = 17_100
"""More for a token to somebody who had none."""
FIRST_GAS: Final = 400_000
"""One payment to anybody, the Safe's deployment before it included."""

_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_KINDS: Final = {
    SignatureKind.CONTRACT: "contract-signature",
    SignatureKind.APPROVED_HASH: "approved-hash",
    SignatureKind.ETH_SIGN: "eth-sign",
    SignatureKind.UNKNOWN: "wrong-v",
}


class Attempt(UnsignedSafeTx):
    """What owners sign, and what executing it takes."""

    __slots__ = ()

    @property
    def weight(self) -> int:
        """Gas expected of its execution, from above."""
        one = TOKEN_GAS + NEW_HOLDER_GAS if self.tx.data else NATIVE_GAS + NEW_ACCOUNT_GAS
        calls = 1 if self.tx.operation == CALL else len(decode_multisend(self.tx.data))
        return one * calls if self.tx.nonce else FIRST_GAS + one * (calls - 1)


@dataclass(frozen=True, slots=True)
class Execution:
    """A signed attempt as the relayer needs it."""

    attempt: Attempt
    signed: SignedSafeTx
    safes: Safes
    """Of the Safe's owners."""
    salt_nonce: int
    """What deploys the Safe, where it is not there yet."""

    @property
    def may_need_deployment(self) -> bool:
        """A Safe that has used a nonce is there; one that has not may be there too."""
        return self.attempt.tx.nonce == 0

    @property
    def raw(self) -> bytes:
        """The envelope."""
        found = {
            "chain_id": self.attempt.network.chain_id,
            "create": _hex(self.safes.create_calldata(self.salt_nonce)),
            "data": _hex(encode_execution(self.signed.tx, self.signed.signatures)),
            "nonce": str(self.attempt.tx.nonce),
            "to": self.attempt.safe,
        }
        return canonical_json(found)

    @property
    def final(self) -> port.Final:
        """As rooms keep it."""
        return port.Final(self.raw, self.attempt.spend, self.attempt.weight)

    @property
    def has_quorum(self) -> bool:
        """Whether exactly a quorum of the Safe's owners signed this attempt, in the order the Safe wants."""
        setup = self.safes.setup
        signatures = self.signed.signatures
        try:
            check_signatures(self.attempt.digest, signatures, owners=setup.owners, threshold=setup.threshold)
        except (OwnerSignatureRefused, InvalidInput):
            return False
        return True


class EthereumSpending:
    """One network's spends. ``assets`` are the CAIP-19 ids of registered tokens; ``None`` leaves that to the caller."""

    fees_from_vault = False
    can_be_left = True
    fee_rate = FEE_RATE

    def __init__(self, chain: str, *, assets: Collection[str] | None = None, made_for: Network | None = None) -> None:
        self._network = network(chain)
        self._assets = assets
        self._home = made_for or self._network
        self._tokens = None if assets is None else frozenset(contract_of(asset, self._network) for asset in assets)

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return self._network.chain

    def for_vaults_of(self, chain: str) -> EthereumSpending:
        """Of the Safes of another network's vaults: anybody can deploy them here. Raises ``InvalidInput``."""
        if chain == self._home.chain:
            return self
        return EthereumSpending(self.chain, assets=self._assets, made_for=network(chain))

    def terms(self, block: Mapping[str, Any]) -> EthereumTerms:
        """The network's block of ``chains.toml`` as terms."""
        return EthereumTerms.from_block(block)

    def compose(self, plan: Plan, *, keyset: Keyset, branch: int, change_index: int | None) -> Composed:
        """The SafeTx that pays the order out of the plan's one turn, or uses the turn up where it pays nobody.

        Raises ``InvalidInput``, and ``SpendMismatch`` where two computations of its hash differ.
        """
        del branch
        order, turn = plan.order, _turn_of(plan.inputs)
        if plan.change_units is not None or change_index is not None:
            raise InvalidInput("there is no change on this chain", field="plan.change_units")
        if order.chain != self.chain:
            raise InvalidInput(f"an order of another chain; accepted is {self.chain}", field="order.chain")
        self._expect_own(turn, keyset)
        attempt = Attempt(self._network, turn.account, _tx_of(order, turn, self._network))
        paid = [(payment.asset, payment.locator, payment.units) for payment in self._payments(attempt)]
        if paid != ([] if order.pays_nobody else [(order.asset, order.locator, order.units)]):
            raise InvalidInput("does not pay what the order says", field="order")
        if typed_data_digest(typed_data(attempt.tx, network=self._network, safe=attempt.safe)) != attempt.digest:
            raise SpendMismatch("two computations of one SafeTx hash differ", claim=turn.claim)
        return Composed(attempt.text, attempt.spend, 0, attempt.weight)

    def read_answer(
        self, answer: object, *, unsigned: str, inputs: Sequence[Input], keyset: Keyset, branch: int, cosigner: str
    ) -> dict[str, str]:
        """The cosigner's signature in hex, under ``"0"``, out of an answer of 65 bytes in hex with ``0x``.

        Raises ``InvalidInput`` for what is not that, and ``AnswerRefused`` with one of the reasons
        ``contract-signature``, ``approved-hash``, ``eth-sign``, ``wrong-v``, ``high-s``, ``no-key`` (no key made it),
        ``missing-signature`` (it is another cosigner's over the same) and ``other-signer`` (anybody's, or over
        something else).
        """
        del branch
        attempt = self._ours(unsigned, inputs, keyset)
        return {"0": _verified(attempt, _bytes_of(answer, field="answer"), keyset, cosigner).hex()}

    def finalise(
        self,
        signatures: Mapping[str, Mapping[str, str]],
        *,
        unsigned: str,
        inputs: Sequence[Input],
        keyset: Keyset,
        branch: int,
    ) -> port.Final:
        """The envelope a relayer takes. Raises ``OwnerSignatureRefused`` unless exactly a quorum answered, and
        ``AnswerRefused`` as reading did.
        """
        del branch
        attempt = self._ours(unsigned, inputs, keyset)
        found = [
            _verified(attempt, bytes.fromhex(theirs["0"]), keyset, cosigner) for cosigner, theirs in signatures.items()
        ]
        safes = _safes_of(keyset)
        packed = assemble(attempt.digest, found, owners=safes.setup.owners, threshold=keyset.threshold)
        signed = SignedSafeTx(attempt.safe, attempt.tx, packed)
        return Execution(attempt, signed, safes, _salt_of(_turn_of(inputs), keyset)).final

    def read_final(self, raw: bytes) -> port.Final:
        """The SafeTx hash and its gas, from the envelope. Raises ``InvalidInput``."""
        return self.read_execution(raw).final

    def payments_of(self, unsigned: str) -> Effect:
        """What the SafeTx pays; nothing where it only uses up its nonce. Raises ``InvalidInput``, also for a SafeTx
        that does what none of ours may.
        """
        attempt = self._read(unsigned)
        return Effect(
            spend=attempt.spend,
            claims=frozenset({attempt.claim}),
            payments=self._payments(attempt),
            fee_units=0,
        )

    def is_signed(self, unsigned: str, raw: bytes) -> bool:
        """Whether ``raw`` executes exactly this SafeTx, at this Safe, signed by a quorum of the owners its address
        commits to. Raises ``InvalidInput``.
        """
        execution = self.read_execution(raw)
        return execution.attempt == self._read(unsigned) and execution.has_quorum

    def read_execution(self, raw: bytes) -> Execution:
        """The envelope of a ``Final`` for whoever relays it. Raises ``InvalidInput`` unless it is as we write it, and
        for a ``create`` that deploys another Safe.
        """
        found = _exactly(parse_json(raw, field="final"), ("chain_id", "create", "data", "nonce", "to"), field="final")
        where, safe, nonce = self._network_in(found), found["to"], found["nonce"]
        expect_checksummed(safe, field="to")
        if not isinstance(nonce, str) or _DECIMAL.fullmatch(nonce) is None:
            raise InvalidInput("not a decimal text", field="nonce")
        tx, signatures = decode_execution(_bytes_of(found["data"], field="data"), nonce=int(nonce))
        creation = decode_create(_bytes_of(found["create"], field="create"), field="create")
        safes = Safes(creation.setup)
        if creation.singleton != ProxyCode.pinned().singleton or safes.address(creation.salt_nonce) != safe:
            raise InvalidInput("it does not deploy this Safe", field="create")
        execution = Execution(Attempt(where, safe, tx), SignedSafeTx(safe, tx, signatures), safes, creation.salt_nonce)
        if execution.raw != raw:
            raise InvalidInput("not in its one canonical form", field="final")
        self._payments(execution.attempt)
        return execution

    def _ours(self, unsigned: str, inputs: Sequence[Input], keyset: Keyset) -> Attempt:
        """The attempt, which does what ours may and uses up exactly these inputs of this keyset's."""
        attempt, turn = self._read(unsigned), _turn_of(inputs)
        if (turn.account, turn.number) != (attempt.safe, attempt.tx.nonce):
            raise InvalidInput("uses up another turn than it names", field="inputs")
        self._expect_own(turn, keyset)
        self._payments(attempt)
        return attempt

    def _expect_own(self, turn: Turn, keyset: Keyset) -> None:
        if keyset.chain != self._home.chain:
            raise InvalidInput(f"a keyset of another chain; accepted is {self._home.chain}", field="keyset.chain")
        if _safes_of(keyset).address(_salt_of(turn, keyset)) != turn.account:
            raise InvalidInput("not a Safe of this keyset, client and index", field="inputs.account")

    def _read(self, unsigned: str) -> Attempt:
        found = UnsignedSafeTx.parse(unsigned)
        if found.network != self._network:
            raise InvalidInput(f"of another chain; accepted is {self._network.chain_id}", field="chain_id")
        return Attempt(found.network, found.safe, found.tx)

    def _network_in(self, found: Mapping[str, Any]) -> Network:
        if found["chain_id"] != self._network.chain_id:
            raise InvalidInput(f"of another chain; accepted is {self._network.chain_id}", field="chain_id")
        return self._network

    def _payments(self, attempt: Attempt) -> tuple[Payment, ...]:
        with _unreadable():
            effect = effect_of(
                attempt.tx,
                safe=attempt.safe,
                network=attempt.network,
                tokens={token: _asset_of(token, attempt.network) for token in self._tokens_in(attempt.tx)},
            )
        return tuple(
            Payment(payment.recipient, address_bytes(payment.recipient), payment.units, payment.asset)
            for payment in effect.payments
        )

    def _tokens_in(self, tx: SafeTx) -> Collection[str]:
        """The registered tokens, or where there is no list whatever contract is called, but for those of Safe."""
        if self._tokens is not None:
            return self._tokens
        called = {tx.to} if tx.data else set()
        if tx.operation != CALL:
            try:
                called = {call.to for call in decode_multisend(tx.data) if call.data}
            except (BatchDelegates, InvalidInput):
                called = set()
        return {contract for contract in called if known_name(contract) is None}


@lru_cache(maxsize=4096)
def _safes_of(keyset: Keyset) -> Safes:
    """The Safes of a keyset's owners, made once per process for equal keysets."""
    return Safes(SafeSetup.of(_owners(keyset).values(), keyset.threshold))


def _owners(keyset: Keyset) -> dict[str, str]:
    """Each cosigner's address, of its point."""
    found = {}
    for cosigner in keyset.cosigners:
        try:
            found[cosigner.id] = address_of_key(bytes.fromhex(cosigner.public_key))
        except ValueError as error:
            raise InvalidInput("not a point", field=f"keyset.cosigners.{cosigner.id}") from error
    return found


def _salt_of(turn: Turn, keyset: Keyset) -> int:
    if turn.client is None:
        raise InvalidInput("a Safe is one client's, and whose is not said", field="inputs.client")
    return salt_nonce(keyset=keyset.id, client=turn.client, index=turn.index, network=network(keyset.chain))


def _turn_of(inputs: Iterable[Input]) -> Turn:
    """The one turn. Raises ``TypeError`` for another chain's input, ``InvalidInput`` for another number of them."""
    found = tuple(inputs)
    if len(found) != 1:
        raise InvalidInput(f"{len(found)} turns; accepted is one", field="inputs")
    if not isinstance(found[0], Turn):
        raise TypeError("an input that is no turn")
    return found[0]


def _verified(attempt: Attempt, raw: bytes, keyset: Keyset, cosigner: str) -> bytes:
    """The cosigner's own signature of this attempt, as it came."""
    signature, owners = parse_signature(raw, field="answer"), _owners(keyset)
    try:
        owner = recover_owner(attempt.digest, signature)
    except OwnerSignatureRefused as refused:
        high = "high-s" if signature.s > ORDER // 2 else "no-key"
        raise AnswerRefused(refused.message, field="answer", reason=_KINDS.get(signature.kind, high)) from refused
    if owner != owners[cosigner]:
        reason = "missing-signature" if owner in owners.values() else "other-signer"
        raise AnswerRefused(f"signed by {owner}, or over something else", field="answer", reason=reason)
    return raw


def _tx_of(order: Order, turn: Turn, where: Network) -> SafeTx:
    if order.pays_nobody:
        return no_op(safe=turn.account, nonce=turn.number)
    return call_of(order, where, nonce=turn.number)


def _asset_of(contract: str, where: Network) -> str:
    return f"{where.chain}/erc20:{contract}"


def _exactly(value: object, names: tuple[str, ...], *, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise InvalidInput(f"accepted are exactly {', '.join(names)}", field=field)
    return value


def _bytes_of(text: object, *, field: str) -> bytes:
    if not isinstance(text, str) or _HEX.fullmatch(text) is None:
        raise InvalidInput("not bytes in lower-case hex with 0x", field=field)
    return bytes.fromhex(text[2:])


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


@contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
    except EffectRefused as refused:
        raise InvalidInput(f"{refused.reason.value}: {refused.message}", field="unsigned") from refused
