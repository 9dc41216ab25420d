"""The ceremony: three keys made apart, two rounds of proofs, one trust root that everybody signs and pins."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from custody.chains.bitcoin.offline.descriptor import open_descriptor
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.network import Network
from custody.db import Database
from custody.evidence.keysets import Keyset, KeysetCosigner
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import Person as RootPerson
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.evidence.words import digest_code
from custody.kernel.ids import new_id
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from demo.people import Cosigner, Person
from policies.document import load_document

THRESHOLD = 2


@dataclass(frozen=True)
class Outcome:
    """What the ceremony leaves: the signed root, the consents to each keyset, the code everybody compared."""

    signed: SignedTrustRoot
    consents: tuple[Signature, ...]
    code: str

    @property
    def keyset(self) -> Keyset:
        """The one keyset."""
        return self.signed.root.keysets[0]


def hold(
    *,
    cosigners: list[Cosigner],
    operators: list[Person],
    requester: Person,
    policy_text: str,
    network: Network,
    folder: Path,
) -> Outcome:
    """Make the keys, prove them, sign and pin the root; files of it stay in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [json.loads(text) for text in _each(cosigners, lambda one: _make_key(one, network))]
    (folder / "records.json").write_text(json.dumps(records, indent=1))
    root = _root(records, operators, requester, policy_text, network)
    draft = folder / "trust-root.json"
    draft.write_text(json.dumps({"document": root.to_json(), "signatures": []}, indent=1))
    rounds = [
        json.loads(text)
        for text in _each(
            cosigners,
            lambda one: one.run("consent", "--root", draft, "--records", folder / "records.json", *one.passphrase()),
        )
    ]
    signed = _sign(root, operators, rounds)
    draft.write_text(json.dumps(signed.to_json(), indent=1))
    code = digest_code(root.hash)
    _each(cosigners, lambda one: one.run("pin", "--root", draft, "--fingerprint", code))
    consents = tuple(
        Signature(answer["cosigner"], item["signature"]) for answer in rounds for item in answer["consents"]
    )
    (folder / "consents.json").write_text(json.dumps([item.to_json() for item in consents], indent=1))
    return Outcome(signed, consents, code)


def install(database: Database, outcome: Outcome, *, policy_text: str) -> None:
    """Put the root in force and register its keyset, as ``custody trust install`` does."""
    with database.unit() as unit:
        trust.install(unit.session, signed=outcome.signed, policy_text=policy_text, actor="ceremony", now=unit.now)
        vaults.register_keyset(
            unit.session, keyset=outcome.keyset, consents=outcome.consents, actor="ceremony", now=unit.now
        )


def _make_key(cosigner: Cosigner, network: Network) -> str:
    cosigner.run(
        *("init", "--name", cosigner.name, "--network", network.name),
        *("--backup-file", cosigner.home.parent / "words", *cosigner.passphrase()),
    )
    return cosigner.run("record", *cosigner.passphrase())


def _root(
    records: list[dict[str, Any]], operators: list[Person], requester: Person, policy_text: str, network: Network
) -> TrustRoot:
    now = datetime.now(UTC)
    policy = load_document(policy_text)
    keys = [AccountKey.parse(item["account_key"], network=network, field="account_key") for item in records]
    keyset = Keyset(
        id=new_id("kst", now),
        chain=network.chain,
        threshold=THRESHOLD,
        cosigners=tuple(KeysetCosigner(item["cosigner"], item["account_key"], item["public_key"]) for item in records),
        descriptor=open_descriptor(threshold=THRESHOLD, keys=keys),
    )
    return TrustRoot(
        version=1,
        name="demo",
        created_at=now,
        expires_at=now + timedelta(days=30),
        assets=(network.asset,),
        operators=tuple(RootPerson(person.name, (person.public,)) for person in operators),
        requesters=(RootPerson(requester.name, (requester.public,)),),
        groups={group: tuple(sorted(members)) for group, members in policy.groups.items()},
        keysets=(keyset,),
        policy_hash=policy.hash,
    )


def _sign(root: TrustRoot, operators: list[Person], rounds: list[dict[str, Any]]) -> SignedTrustRoot:
    message = bytes.fromhex(root.hash)
    by_operators = [person.sign(message) for person in operators]
    by_cosigners = [Signature.parse(answer["root_signature"], field="root_signature") for answer in rounds]
    return SignedTrustRoot(root, (*by_operators, *by_cosigners))


def _each(cosigners: list[Cosigner], act: Any) -> list[str]:
    with ThreadPoolExecutor(max_workers=len(cosigners)) as pool:
        return list(pool.map(act, cosigners))
