"""A bundle that waits for keys, and what cosigners would answer to it."""

from __future__ import annotations

from typing import Any

from custody.chains.bitcoin.offline.psbt import parse_psbt
from custody.chains.spending import Coin
from custody.cosigner.keys import CosignerKey, SigningInput
from custody.evidence.bundle import Bundle, Refusal
from custody.kernel.ids import new_id
from custody.signing import operations as signing
from tests.cosigner.builders import cosigner_key
from tests.support.world import House

BRANCH = 7


def open_bundle(house: House) -> Bundle:
    """The ceremony's plainest bundle, open in the house; client ``acme`` is on branch 7."""
    with house.db.unit() as unit:
        bundle = house.ceremony.small(name=new_id("bnd", unit.now))
        signing.open_bundle(
            unit.session,
            bundle=bundle,
            keyset=house.ceremony.keyset,
            vault=f"{house.ceremony.keyset.id}/{BRANCH}",
            inputs=[Coin("00" * 32, 0, 10_000_000, change=False, index=0, block_hash="00" * 32)],
            now=unit.now,
        )
    return bundle


def signed_by(house: House, name: str, bundle: Bundle) -> str:
    """The PSBT with this cosigner's signature on its one input."""
    key: CosignerKey = cosigner_key(name)
    place = house.ceremony.cosigners.index(name)
    pubkey = house.ceremony.branch(BRANCH).derive(change=False, index=0).pubkeys[place]
    found = parse_psbt(bundle.unsigned)
    spent = found.maps.unsigned.inputs[0]
    own = SigningInput(index=0, outpoint=(spent.txid, spent.vout), amount_sat=0, path=(BRANCH, 0, 0), pubkey=pubkey)
    return key.sign(found, [own]).base64


def refused_by(house: House, name: str, bundle: Bundle) -> dict[str, Any]:
    """A signed refusal."""
    refusal = Refusal(bundle.id, bundle.digest, name, "test", "not today", house.now())
    return {"refusal": refusal.to_json(), "signature": cosigner_key(name).sign_statement(refusal.message)}
