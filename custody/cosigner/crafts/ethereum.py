"""Ethereum: the Safe derived again from its keyset and client, the SafeTx judged by its bytes, payments one to one.

Nothing is asked of a contract and nothing is simulated. What a Safe of ours may do is ``offline.effect``'s four shapes;
whatever else the bytes say is refused by name. The network fee is paid by whoever carries the signed SafeTx: no field
of it can take one out of the Safe, so a requester's ``max_fee`` bounds what is billed and is shown, not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Final

from custody.chains.ethereum.offline.address import address_bytes, parse_address
from custody.chains.ethereum.offline.deployments import known_name
from custody.chains.ethereum.offline.descriptor import AccountKey, safe_descriptor
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.chains.ethereum.offline.effect import EffectReason, EffectRefused, effect_of
from custody.chains.ethereum.offline.effect import Payment as Paid
from custody.chains.ethereum.offline.network import Network, network
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, salt_nonce
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.craft import Bounds, KeysetContradicts, expect_ours
from custody.cosigner.keeping import CosignerKey
from custody.cosigner.payments import Destination, JudgedPayment, one_vault
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.intents import VaultName
from custody.evidence.keysets import BRANCHES, Keyset
from custody.evidence.requests import RespendRequest, StrayReturnRequest, SweepRequest
from custody.evidence.trust_root import TrustRoot
from custody.evidence.words import digest_code
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset

INDEXES: Final = 1_000
"""A Safe is looked for among the first so many of each client: nobody is handed a later one."""
MOST_TRIES: Final = 200_000
"""So many derivations at most for one bundle, first indexes of all clients first: a pool's clients are many."""

REASONS: Final[Mapping[EffectReason, Reason]] = {
    EffectReason.REFUND: Reason.REFUND,
    EffectReason.DELEGATE_CALL: Reason.DELEGATE_CALL,
    EffectReason.BATCH_WITH_VALUE: Reason.BATCH_NOT_CANONICAL,
    EffectReason.BATCH_MALFORMED: Reason.BATCH_NOT_CANONICAL,
    EffectReason.BATCH_OF_ONE: Reason.BATCH_NOT_CANONICAL,
    EffectReason.BATCH_NESTED: Reason.BATCH_NOT_CANONICAL,
    EffectReason.BATCH_AS_CALL: Reason.BATCH_NOT_CANONICAL,
    EffectReason.OWN_SAFE: Reason.OWN_SAFE,
    EffectReason.TOKEN_CALL: Reason.CONTRACT_CALL,
    EffectReason.TOKEN_WITH_VALUE: Reason.CONTRACT_CALL,
    EffectReason.UNKNOWN_CONTRACT: Reason.CONTRACT_CALL,
    EffectReason.NOTHING_PAID: Reason.RECIPIENT_LOST,
    EffectReason.RECIPIENT: Reason.RECIPIENT_LOST,
}
"""What bytes may not do, as a refusal names it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose Safe it is, as its address was derived."""

    client: str
    index: int


@dataclass(frozen=True, slots=True)
class SafeEffect:
    """What a SafeTx was proved to do. An ``Effect``."""

    unsigned: UnsignedSafeTx
    vault: VaultName
    place: Place
    payments: tuple[Paid, ...]
    away: bool
    """Whether it is on another chain than the Safe was made for."""

    @property
    def spend(self) -> str:
        """The SafeTx's hash."""
        return self.unsigned.spend

    @property
    def claims(self) -> dict[str, int]:
        """The Safe's turn: its nonce, with nothing in it. The same Safe has turns of its own on every chain."""
        claim = self.unsigned.claim
        return {f"{self.unsigned.network.chain}/{claim}" if self.away else claim: 0}

    @property
    def outputs(self) -> tuple[tuple[str, int], ...]:
        """Recipient and base units, in the order they are paid."""
        return tuple((paid.recipient, paid.units) for paid in self.payments)

    @property
    def fee_asset(self) -> Asset:
        """The network's own coin."""
        return self.unsigned.network.asset

    @property
    def fee_units(self) -> int:
        """0: whoever carries it pays."""
        return 0

    def words(self) -> list[str]:
        """Safe, nonce, hash and code."""
        safe, nonce = self.unsigned.safe, self.unsigned.tx.nonce
        made = "nobody is paid and the number is used up" if not self.payments else _count(len(self.payments))
        return [
            f"The transaction is number {nonce} of Safe {safe}, client {self.place.client}, vault {self.vault}: {made}",
            "the network fee is paid by whoever carries it, never out of the Safe",
            f"transaction {self.spend}, code {digest_code(self.spend.removeprefix('0x'))}",
        ]

    def signed_by(self, key: CosignerKey) -> str:
        """Our owner's signature, 65 bytes in hex with ``0x``. Raises ``WrongKey``."""
        return key.sign_safe_tx(self.unsigned, elsewhere=self.away)


@dataclass(frozen=True, slots=True)
class EthereumCraft:
    """One Ethereum network. A ``Craft``."""

    network: Network
    """Where spends take place."""
    made_for: Network | None = None
    """Whose Safes they are, where that is another network: a Safe's address is good on every one of them."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return self.network.chain

    @property
    def has_contracts(self) -> bool:
        """Any address may be one."""
        return True

    @property
    def gives_up(self) -> bool:
        """True: an empty call of the Safe to itself uses its nonce up and pays nobody."""
        return True

    @property
    def origin(self) -> Network:
        """The network our Safes were made for."""
        return self.made_for or self.network

    @property
    def home(self) -> str:
        """CAIP-2 id of the network our Safes were made for."""
        return self.origin.chain

    def elsewhere(self, chain: str) -> EthereumCraft | None:
        """Our Safes on another Ethereum network: anybody can deploy them there, and their owners are the same."""
        try:
            there = network(chain)
        except InvalidInput:
            return None
        return EthereumCraft(there, self.origin) if there != self.origin else None

    def check_keyset(self, keyset: Keyset) -> None:
        """Raises as ``safes_of``."""
        safes_of(keyset, self.origin)

    def asset(self, asset: str, root: TrustRoot) -> Asset | None:
        """The network's own coin as it is, or a token under its contract's checksummed address, if the root has it."""
        found = root.asset(asset)
        if asset == self.network.asset.id:
            return found if found == self.network.asset else None
        return found if asset in self._tokens(root).values() else None

    def read_destination(self, text: str, *, field: str) -> Destination:
        """Whom a text names. Raises ``InvalidInput``, also for contracts of Safe and tools: they give nothing back."""
        address = parse_address(text, field=field)
        contract = known_name(address)
        if contract is not None:
            raise InvalidInput(f"{contract}, a contract that gives nothing back", field=field)
        return Destination(address, address_bytes(address))

    def spend_of(self, unsigned: str) -> str | None:
        """The SafeTx's hash."""
        try:
            return UnsignedSafeTx.parse(unsigned).spend
        except InvalidInput:
            return None

    def prove(self, unsigned: str, payments: Sequence[JudgedPayment], within: Bounds) -> SafeEffect:
        """One SafeTx of one Safe of the payments' vault, which pays each once. Raises ``CosignerRefusal``."""
        found = self._read(unsigned)
        vault = one_vault(payments)
        place = self._place(found.safe, vault, within)
        _expect_there(found, place, payments)
        for payment in payments:
            if isinstance(payment.request, SweepRequest):
                self._expect_own(payment.request, payment.payee, within)
        try:
            effect = effect_of(found.tx, safe=found.safe, network=self.network, tokens=self._tokens(within.root))
        except EffectRefused as refused:
            raise CosignerRefusal(REASONS[refused.reason], refused.message) from refused
        if isinstance(payments[0].request, RespendRequest):
            if not effect.is_no_op:
                raise CosignerRefusal(Reason.NOT_A_NO_OP, f"giving up pays nobody, this pays {_all(effect.payments)}")
        else:
            _match(effect.payments, payments)
        found.expect_digest()
        return SafeEffect(found, vault, place, effect.payments, self.network != self.origin)

    def _read(self, unsigned: str) -> UnsignedSafeTx:
        try:
            found = UnsignedSafeTx.parse(unsigned)
        except InvalidInput as error:
            raise CosignerRefusal(Reason.SAFE_TX_MALFORMED, str(error)) from error
        if found.network != self.network:
            raise CosignerRefusal(Reason.SAFE_TX_MALFORMED, f"the SafeTx is for {found.network.chain}")
        return found

    def _place(self, safe: str, vault: VaultName, within: Bounds) -> Place:
        """Whose the Safe is, of those whose opening gave them the vault."""
        keyset = within.root.keyset(vault.keyset)
        if keyset is None:
            raise CosignerRefusal(Reason.KEYSET_NOT_OURS, f"the trust root has no keyset {vault.keyset}")
        try:
            safes = safes_of(keyset, self.origin)
            expect_ours(keyset, within.me)
        except InvalidInput as error:
            raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error
        clients = sorted({opening.client for opening in within.owners.openings if opening.vault == vault})
        for index, client in islice(product(range(INDEXES), clients), MOST_TRIES):
            salt = salt_nonce(keyset=keyset.id, client=client, index=index, network=self.origin)
            if safes.address(salt) == safe:
                return Place(client, index)
        raise CosignerRefusal(Reason.INPUT_NOT_OURS, f"{safe} is no Safe of a client of vault {vault}")

    def _expect_own(self, request: SweepRequest, payee: Destination, within: Bounds) -> None:
        """The destination is the client's Safe at the index named, its address computed again here."""
        keyset = within.root.keyset(request.to.keyset)
        assert keyset is not None
        try:
            safes = safes_of(keyset, self.origin)
        except InvalidInput as error:
            raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error
        # A place that is not looked at later would keep the money for ever.
        is_place = request.index < INDEXES
        place: dict[str, Any] = {"keyset": keyset.id, "client": request.client, "index": request.index}
        if not is_place or safes.address(salt_nonce(**place, network=self.origin)) != payee.address:
            raise CosignerRefusal(
                Reason.SWEEP_NOT_OWN, f"{payee.address} is not Safe {request.index} of {request.client} in {request.to}"
            )

    def _tokens(self, root: TrustRoot) -> dict[str, str]:
        """The contracts of registered tokens, each with its id."""
        start = f"{self.chain}/erc20:"
        ours = [asset.id for asset in root.assets if asset.chain == self.chain and asset.id.startswith(start)]
        return {contract: name for name in ours if _is_contract(contract := name.removeprefix(start))}


def safes_of(keyset: Keyset, network: Network) -> Safes:
    """The Safes of a keyset whose addresses, public keys and descriptor agree. Raises ``KeysetContradicts``,
    ``InvalidInput``.
    """
    if keyset.chain != network.chain:
        raise KeysetContradicts(f"is for {keyset.chain}, this key for {network.chain}", field="keyset.chain")
    owners = []
    for cosigner in keyset.cosigners:
        account = AccountKey.parse(cosigner.account_key, field=f"keyset.{cosigner.id}.account_key")
        if _address_of(cosigner.public_key) != account.address:
            raise KeysetContradicts("is not the point of the address", field=f"keyset.{cosigner.id}.public_key")
        owners.append(account.address)
    if keyset.layout != BRANCHES:
        raise KeysetContradicts(f"Safes have no layout; accepted is {BRANCHES}", field="keyset.layout")
    setup = SafeSetup.of(owners, keyset.threshold)
    if safe_descriptor(setup) != keyset.descriptor:
        raise KeysetContradicts("is not built from the threshold and keys", field="keyset.descriptor")
    return Safes(setup)


def _expect_there(found: UnsignedSafeTx, place: Place, payments: Sequence[JudgedPayment]) -> None:
    """What came astray leaves from where it came, which is its own client's."""
    request = payments[0].request
    if isinstance(request, StrayReturnRequest) and (request.address, request.client) != (found.safe, place.client):
        raise CosignerRefusal(
            Reason.STRAY_NOT_THERE, f"it came to {request.address} of {request.client}, this is out of {found.safe}"
        )


def _match(made: Sequence[Paid], payments: Sequence[JudgedPayment]) -> None:
    """Each intent is paid once by a payment of its own, and no payment is left over."""
    left = list(made)
    for payment in payments:
        wanted = Paid(payment.asset.id, payment.payee.address, payment.request.amount)
        if wanted not in left:
            raise CosignerRefusal(
                Reason.PAYMENT_MISSING,
                f"no payment of its own is {_all([wanted])}; the SafeTx pays {_all(made) or 'nobody'}",
            )
        left.remove(wanted)
    if left:
        raise CosignerRefusal(Reason.PAYMENT_NOT_ASKED, f"nobody asked for {_all(left)}")


def _all(payments: Sequence[Paid]) -> str:
    said = [f"{paid.units} base units of {paid.asset} to {paid.recipient}" for paid in payments[:3]]
    return " and ".join([*said, f"{len(payments) - 3} more"] if len(payments) > 3 else said)


def _count(payments: int) -> str:
    return "it pays that once and nothing else" if payments == 1 else f"it pays these {payments} and nothing else"


def _is_contract(text: str) -> bool:
    try:
        return parse_address(text, field="asset") == text
    except InvalidInput:
        return False


def _address_of(public_key: str) -> str | None:
    try:
        return address_of_key(bytes.fromhex(public_key))
    except ValueError:
        return None
