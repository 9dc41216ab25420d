"""Bundles a daemon that was taken over might send: how a case is written, and the pieces cases are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from custody.chains.bitcoin.offline.psbt.maps import (
    key_of,
)
from custody.chains.bitcoin.offline.transaction import Transaction, TransactionOutput
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.approvals import Approval
from custody.evidence.bundle import Bundle, Payment
from tests.cosigner.builders import (
    World,
    sign_root,
    tamper,
)
from tests.support.status import status_of


@dataclass(frozen=True)
class Case:
    """A bundle and how it is judged."""

    bundle: Bundle
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    judge: World | None = None
    """The world whose root is pinned, where it is not the one the bundle is of."""


Maker = Callable[[World, Memory], Case | Bundle]
CASES: dict[str, tuple[Reason, Maker]] = {}


def refused(reason: Reason) -> Callable[[Maker], Maker]:
    """Register a case under its function's name."""

    def register(maker: Maker) -> Maker:
        name = maker.__name__
        assert name not in CASES
        CASES[name] = (reason, maker)
        return maker

    return register


def pay_acme(world: World, amount_sat: int = 2_000_000, **changes: Any) -> Payment:
    """A payment of client ``acme``."""
    return world.payment(world.withdrawal("acme", amount_sat, **changes), branch=7)


def bundle_of(world: World, payment: Payment, *, name: str = "bnd_1", salt: str = "", fee_sat: int = 3_000) -> Bundle:
    """A bundle with one payment out of branch 7."""
    psbt = world.transaction([payment], [world.coin(7, 10_000_000, salt=salt)], fee_sat=fee_sat)
    return world.bundle([payment], [world.opening("acme", 7)], psbt, name=name)


def with_psbt(bundle: Bundle, **changes: Any) -> Bundle:
    """``bundle`` with its PSBT tampered with."""
    return replace(bundle, unsigned=tamper(bundle.unsigned, **changes))


def with_proven(bundle: Bundle, **changes: Any) -> Bundle:
    """``bundle`` with its payment's evidence changed."""
    payment = bundle.payments[0]
    return replace(bundle, payments=(replace(payment, proven=replace(payment.proven, **changes)),))


def with_approval(bundle: Bundle, **changes: Any) -> Bundle:
    """``bundle`` with its first approval's statement changed under the old signature."""
    first, *rest = bundle.payments[0].proven.approvals
    changed = Approval(replace(first.statement, **changes), first.signature)
    return with_proven(bundle, approvals=(changed, *rest))


def new_outputs(change: Callable[[list[TransactionOutput]], list[TransactionOutput]]) -> dict[str, Any]:
    """For ``with_psbt``: other outputs."""

    def edit(found: Transaction) -> Transaction:
        return replace(found, outputs=tuple(change(list(found.outputs))))

    return {"transaction": edit}


def new_field(kind: int, value: bytes | None) -> dict[str, Any]:
    """For ``with_psbt``: one field of every input set, or taken out."""

    def edit(_place: int, fields: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
        kept = {key: item for key, item in fields.items() if key != key_of(kind)}
        return kept if value is None else dict(sorted({**kept, key_of(kind): value}.items()))

    return {"inputs": edit}


def under_other_root(world: World, change: Callable[[Any], Any]) -> Case:
    """The bundle under a changed root that everybody signed and we pinned: only our own derivation can object."""
    root = change(world.root)
    signed = sign_root(root, world.operators, world.cosigners)
    judge = World()
    vars(judge).update(root=root, signed_root=signed)
    status = status_of(root, now=world.now)
    return Case(replace(world.small(), trust_root=signed, status=status), judge=judge)
