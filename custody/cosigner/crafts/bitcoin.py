"""Bitcoin: every input and change output derived again, every payment matched one to one. Amounts are satoshi."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from custody.chains.bitcoin.offline.address import parse_address
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, DerivedScript, open_descriptor
from custody.chains.bitcoin.offline.fees import FeeOverCap, check_fee
from custody.chains.bitcoin.offline.keys import parse_path
from custody.chains.bitcoin.offline.members import FixedKey, MemberKey, parse_member
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.psbt import InputView, OutputView, Psbt, check_input_amounts, parse_psbt
from custody.chains.bitcoin.offline.transaction import estimate_vsize
from custody.cosigner.craft import Bounds, KeysetContradicts, Myself, expect_ours
from custody.cosigner.fee_shares import fee_shares
from custody.cosigner.keeping import CosignerKey, SigningInput
from custody.cosigner.limits import Limits
from custody.cosigner.payments import Destination, JudgedPayment, one_vault
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.intents import VaultName
from custody.evidence.keysets import Keyset
from custody.evidence.requests import SweepRequest
from custody.evidence.trust_root import TrustRoot
from custody.evidence.words import amount_in_words, digest_code
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset

MAX_INDEX: Final = 1_000_000
"""Highest address index signed for: beyond it, a restore from the descriptor alone might not find the coins."""
SIGHASH_ALL: Final = 1
_VERSION: Final = 2
"""What this house composes. Other versions are relayed, replaced and locked by rules of their own."""
_NO_RELATIVE_LOCK: Final = 0xFFFFFFFD
_CHAIN_AND_PLACE: Final = 2

Origins = Mapping[bytes, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class BitcoinEffect:
    """What a transaction was proved to do. All amounts in satoshi. An ``Effect``."""

    psbt: Psbt
    fee_asset: Asset
    vault: VaultName
    inputs: tuple[SigningInput, ...]
    paid_sat: int
    change_sat: int
    fee_sat: int
    vsize: int

    @property
    def spend(self) -> str:
        """The transaction's id."""
        return self.psbt.txid

    @property
    def claims(self) -> dict[str, int]:
        """The coins, ``txid:vout``, with their satoshi."""
        return {f"{txid}:{vout}": entry.amount_sat for entry in self.inputs for txid, vout in (entry.outpoint,)}

    @property
    def outputs(self) -> tuple[tuple[str, int], ...]:
        """Script (hex) and satoshi, in transaction order."""
        return tuple((output.script_pubkey.hex(), output.amount_sat) for output in self.psbt.outputs)

    @property
    def fee_units(self) -> int:
        """The network fee."""
        return self.fee_sat

    def words(self) -> list[str]:
        """Coins, change, fee and id."""
        asset = self.fee_asset
        coins = f"{len(self.inputs)} coin" + ("s" if len(self.inputs) != 1 else "")
        spent = amount_in_words(sum(entry.amount_sat for entry in self.inputs), asset)
        back = (
            f"{amount_in_words(self.change_sat, asset)} comes back to it" if self.change_sat else "nothing comes back"
        )
        fee = amount_in_words(self.fee_sat, asset)
        share_bps = self.fee_sat * 10_000 // self.paid_sat
        share = f"{share_bps // 100}.{share_bps % 100:02d} %"
        tenths = self.fee_sat * 10 // self.vsize
        return [
            f"The transaction spends {coins} of vault {self.vault}, {spent}; {back}",
            f"network fee {fee}, {share} of what is paid, {tenths // 10}.{tenths % 10} sat/vB",
            f"transaction {self.spend}, code {digest_code(self.spend)}",
        ]

    def signed_by(self, key: CosignerKey) -> str:
        """The PSBT (base64) with our partial signature on every input. Raises ``WrongKey``."""
        return key.sign(self.psbt, self.inputs).base64


@dataclass(frozen=True, slots=True)
class BitcoinCraft:
    """One Bitcoin network. A ``Craft``."""

    network: Network

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return self.network.chain

    @property
    def has_contracts(self) -> bool:
        """No address is a contract."""
        return False

    @property
    def gives_up(self) -> bool:
        """False: how coins are spent back to their own vault is not proved here yet."""
        return False

    @property
    def home(self) -> str:
        """The chain itself."""
        return self.network.chain

    def elsewhere(self, chain: str) -> None:
        """``None``: what came to a script of ours on another network is not proved here."""
        del chain

    def check_keyset(self, keyset: Keyset) -> None:
        """Raises as ``account_keys``."""
        account_keys(keyset, self.network)

    def asset(self, asset: str, root: TrustRoot) -> Asset | None:
        """The bitcoin of this network, if the trust root registers it as it is."""
        own = self.network.asset
        return own if asset == own.id and root.asset(asset) == own else None

    def read_destination(self, text: str, *, field: str) -> Destination:
        """An address of this network; the locator is its script. Raises ``InvalidInput``."""
        found = parse_address(text, network=self.network, field=field)
        return Destination(found.address, found.script_pubkey)

    def spend_of(self, unsigned: str) -> str | None:
        """The transaction's id."""
        try:
            return parse_psbt(unsigned).txid
        except InvalidInput:
            return None

    def prove(self, unsigned: str, payments: Sequence[JudgedPayment], within: Bounds) -> BitcoinEffect:
        """One PSBT of one vault that pays each of ``payments`` once. Raises ``CosignerRefusal``."""
        psbt = read_transaction(unsigned, self.network)
        return check_effect(psbt, payments, root=within.root, limits=within.limits, me=within.me, network=self.network)


def account_keys(keyset: Keyset, network: Network) -> tuple[MemberKey, ...]:
    """The keyset's account keys in its order, each agreeing with the public key beside it, and the open descriptor.

    Raises ``KeysetContradicts``: an xpub replaced under a kept fingerprint or public key ends here.
    """
    if keyset.chain != network.chain:
        raise KeysetContradicts(f"is for {keyset.chain}, this key for {network.chain}", field="keyset.chain")
    keys = tuple(
        parse_member(cosigner.account_key, network=network, field=f"keyset.{cosigner.id}.account_key")
        for cosigner in keyset.cosigners
    )
    for key, cosigner in zip(keys, keyset.cosigners, strict=True):
        if key.public_key.hex() != cosigner.public_key:
            raise KeysetContradicts(
                "is not the point in the xpub or fixed key", field=f"keyset.{cosigner.id}.public_key"
            )
    if open_descriptor(threshold=keyset.threshold, keys=keys, layout=keyset.layout) != keyset.descriptor:
        raise KeysetContradicts("is not built from the threshold and keys", field="keyset.descriptor")
    return keys


def _keys_of(keyset: Keyset, network: Network) -> tuple[MemberKey, ...]:
    """The same in a spend that is being proved. Raises ``CosignerRefusal``."""
    try:
        return account_keys(keyset, network)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error


def read_transaction(text: str, network: Network) -> Psbt:
    """The PSBT, if it is one that may be looked at further. Raises ``CosignerRefusal``."""
    try:
        psbt = parse_psbt(text, network=network)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.PSBT_MALFORMED, str(error)) from error
    if psbt.version != _VERSION:
        raise CosignerRefusal(Reason.PSBT_MALFORMED, f"a transaction of version {psbt.version}, not {_VERSION}")
    if psbt.locktime or any(view.sequence < _NO_RELATIVE_LOCK for view in psbt.inputs):
        raise CosignerRefusal(Reason.TIME_LOCKED, "the transaction has a lock time or a relative lock")
    for place, view in enumerate(psbt.inputs):
        if view.sighash_type not in (None, SIGHASH_ALL):
            raise CosignerRefusal(Reason.SIGHASH_NOT_ALL, f"input {place} asks for sighash type {view.sighash_type}")
    try:
        check_input_amounts(psbt)
    except (InvalidInput, ValueError) as error:
        raise CosignerRefusal(Reason.INPUT_AMOUNT_UNPROVEN, str(error)) from error
    return psbt


def check_effect(
    psbt: Psbt, payments: Sequence[JudgedPayment], *, root: TrustRoot, limits: Limits, me: Myself, network: Network
) -> BitcoinEffect:
    """Prove that ``psbt`` does what ``payments`` ask and nothing else, in one vault. Raises ``CosignerRefusal``."""
    vault = one_vault(payments)
    descriptor = _descriptor(vault, root, me, network)
    inputs = tuple(_check_input(place, view, descriptor, me) for place, view in enumerate(psbt.inputs))
    for payment in payments:
        if isinstance(payment.request, SweepRequest):
            _expect_own(payment.request, payment.payee, root, network)
    change_sat = _check_outputs(psbt.outputs, payments, descriptor, me)
    paid_sat = sum(payment.request.amount for payment in payments)
    effect = BitcoinEffect(
        psbt=psbt,
        fee_asset=network.asset,
        vault=vault,
        inputs=inputs,
        paid_sat=paid_sat,
        change_sat=change_sat,
        fee_sat=sum(entry.amount_sat for entry in inputs) - paid_sat - change_sat,
        vsize=_vsize(psbt, descriptor),
    )
    _check_fee(effect, payments, limits)
    return effect


def _expect_own(request: SweepRequest, payee: Destination, root: TrustRoot, network: Network) -> None:
    """The destination is the vault's address at the index named, derived again from that keyset's keys."""
    keyset = root.keyset(request.to.keyset)
    assert keyset is not None
    descriptor = _descriptor_of(keyset, _keys_of(keyset, network), request.to, network)
    # A place that is not signed for later would keep the money for ever.
    is_place = request.index <= min(MAX_INDEX, descriptor.last_index)
    if not is_place or descriptor.derive(change=False, index=request.index).script_pubkey != payee.locator:
        raise CosignerRefusal(
            Reason.SWEEP_NOT_OWN, f"{payee.address} is not address {request.index} of vault {request.to}"
        )


def _descriptor(vault: VaultName, root: TrustRoot, me: Myself, network: Network) -> BranchDescriptor:
    keyset = root.keyset(vault.keyset)
    if keyset is None:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, f"the trust root has no keyset {vault.keyset}")
    keys = _keys_of(keyset, network)
    try:
        expect_ours(keyset, me)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.KEYSET_NOT_OURS, str(error)) from error
    return _descriptor_of(keyset, keys, vault, network)


def _descriptor_of(keyset: Keyset, keys: tuple[MemberKey, ...], vault: VaultName, network: Network) -> BranchDescriptor:
    try:
        return BranchDescriptor(keyset.threshold, keys, vault.branch, network, keyset.layout)
    except InvalidInput as error:
        raise CosignerRefusal(Reason.INPUT_NOT_OURS, f"no vault {vault}: {error}") from error


def _check_input(place: int, view: InputView, descriptor: BranchDescriptor, me: Myself) -> SigningInput:
    found = _derive_again(view.derivations, descriptor, me)
    if found is None:
        raise CosignerRefusal(Reason.INPUT_NOT_OURS, f"input {place} names no key of ours on this vault's branch")
    derived, pubkey = found
    scripts = (view.script_pubkey, view.witness_script, view.redeem_script)
    if scripts != (derived.script_pubkey, derived.witness_script, None) or view.amount_sat is None:
        raise CosignerRefusal(Reason.INPUT_NOT_OURS, f"input {place} is not the vault's address at that path")
    path = descriptor.steps(change=derived.change, index=derived.index)
    return SigningInput(place, (view.txid, view.vout), view.amount_sat, path, pubkey)


def _derive_again(origins: Origins, descriptor: BranchDescriptor, me: Myself) -> tuple[DerivedScript, bytes] | None:
    """Our script at the place an origin names, and our key in it. The origin is a hint: who uses the script compares.

    A fixed key of ours has no path to read a place from; then the other members' origins are the hint. More origins
    than members are somebody's attempt to keep us deriving.
    """
    if len(origins) > len(descriptor.keys):
        return None
    place = next(place for place, key in enumerate(descriptor.keys) if key == me.account_key)
    ours = descriptor.keys[place]
    hints = descriptor.keys if isinstance(ours, FixedKey) else (ours,)
    for pubkey, origin in origins.items():
        for hint in hints:
            derived = _derive_at(origin, descriptor, hint)
            if derived is not None and derived.pubkeys[descriptor.keys.index(hint)] == pubkey:
                return derived, derived.pubkeys[place]
    return None


def _derive_at(
    origin: tuple[str, tuple[int, ...]], descriptor: BranchDescriptor, member: MemberKey
) -> DerivedScript | None:
    fingerprint, path = origin
    if isinstance(member, FixedKey) or fingerprint != member.fingerprint or len(path) < _CHAIN_AND_PLACE:
        return None
    index = descriptor.index_at(path[-1])
    if index is None or index > MAX_INDEX or path[-2] not in (0, 1):
        return None
    change = path[-2] == 1
    trunk = parse_path(member.path, field="path")
    if path != (*trunk, *descriptor.steps(change=change, index=index)):
        return None
    return descriptor.derive(change=change, index=index)


def _check_outputs(
    outputs: Sequence[OutputView], payments: Sequence[JudgedPayment], descriptor: BranchDescriptor, me: Myself
) -> int:
    left = list(outputs)
    for payment in payments:
        wanted = (payment.payee.locator, payment.request.amount)
        paying = next((output for output in left if (output.script_pubkey, output.amount_sat) == wanted), None)
        if paying is None:
            raise CosignerRefusal(
                Reason.PAYMENT_MISSING,
                f"no output of its own pays {payment.request.amount} sat to {payment.payee.address}",
            )
        left.remove(paying)
    for output in left:
        _expect_change(output, descriptor, me)
    if len(left) > 1:
        raise CosignerRefusal(Reason.CHANGE_TWICE, f"{len(left)} outputs are change")
    return sum(output.amount_sat for output in left)


def _expect_change(output: OutputView, descriptor: BranchDescriptor, me: Myself) -> None:
    found = _derive_again(output.derivations, descriptor, me)
    if found is None or not found[0].change or found[0].script_pubkey != output.script_pubkey:
        raise CosignerRefusal(
            Reason.CHANGE_NOT_OURS, f"an output of {output.amount_sat} sat is neither asked for nor this vault's change"
        )


def _vsize(psbt: Psbt, descriptor: BranchDescriptor) -> int:
    return estimate_vsize(
        inputs=len(psbt.inputs),
        threshold=descriptor.threshold,
        members=len(descriptor.keys),
        output_scripts=[output.script_pubkey for output in psbt.outputs],
    )


def _check_fee(effect: BitcoinEffect, payments: Sequence[JudgedPayment], limits: Limits) -> None:
    caps = limits.fee_caps
    try:
        check_fee(fee_sat=effect.fee_sat, vsize=effect.vsize, paid_sat=effect.paid_sat, caps=caps, ceiling_sat=None)
    except FeeOverCap as error:
        raise CosignerRefusal(Reason.FEE_OVER_CAP, error.message) from error
    scripts = [payment.payee.locator for payment in payments]
    shares = fee_shares(fee_sat=effect.fee_sat, vsize=effect.vsize, output_scripts=scripts)
    for share_sat, payment in zip(shares, payments, strict=True):
        if share_sat > payment.max_fee:
            raise CosignerRefusal(
                Reason.FEE_OVER_CEILING,
                f"a fee of {share_sat} sat for {payment.request.client}, who allows {payment.max_fee} sat",
            )
