"""The ceremony: keys made apart, two rounds of proofs, one trust root that everybody signs and pins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from custody.chains.registry import addressing, chain_named
from custody.db import Database
from custody.evidence.keysets import Keyset, KeysetCosigner
from custody.evidence.passkeys import Console
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import Person as RootPerson
from custody.evidence.trust_root import Service, SignedTrustRoot, TrustRoot
from custody.evidence.words import digest_code
from custody.kernel.ids import new_id
from custody.kernel.money import Asset
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from demo.people import Cosigner, Person, StatusKeeper
from policies.document import load_document

THRESHOLD = 2
KEEPER = "keeper"
"""The status service, by its name in the trust root and to the API."""


@dataclass(frozen=True)
class Outcome:
    """What the ceremony leaves: the signed root, the consents to each keyset by its id, the code everybody compared."""

    signed: SignedTrustRoot
    consents: Mapping[str, tuple[Signature, ...]]
    code: str

    @property
    def keyset(self) -> Keyset:
        """The first keyset."""
        return self.signed.root.keysets[0]

    def keyset_on(self, chain: str) -> Keyset:
        """The keyset of that chain."""
        return next(keyset for keyset in self.signed.root.keysets if keyset.chain == chain)


@dataclass(frozen=True)
class Rules:
    """What version 1 states beside its people: a passkey counts at ``console`` alone, and after it has cooled."""

    policy_text: str
    assets: Sequence[Asset]
    console: Console
    cooling_seconds: int


def hold(
    *,
    cosigners: list[Cosigner],
    operators: list[Person],
    requester: Person,
    keeper: StatusKeeper,
    rules: Rules,
    folder: Path,
    go_on: Callable[[], None] = lambda: None,
) -> Outcome:
    """Make the keys, prove them, sign and pin the root, which states ``rules``; files of it stay in ``folder``.

    The cosigners of one network are one keyset. ``go_on`` is called before each of their steps; what it raises ends it.
    """

    def each(act: Callable[[Cosigner], str]) -> list[str]:
        return _each(cosigners, act, go_on)

    folder.mkdir(parents=True, exist_ok=True)
    records = [json.loads(text) for text in each(_make_key)]
    (folder / "records.json").write_text(json.dumps(records, indent=1))
    service = Service.parse(json.loads(keeper.run("init", "--service", KEEPER)), field="service")
    root = _root(_keysets(cosigners, records), operators, requester, service, rules)
    draft = folder / "trust-root.json"
    draft.write_text(json.dumps({"document": root.to_json(), "signatures": []}, indent=1))
    rounds = [
        json.loads(text)
        for text in each(
            lambda one: one.run("consent", "--root", draft, "--records", folder / "records.json", *one.passphrase())
        )
    ]
    signed = _sign(root, operators, rounds)
    draft.write_text(json.dumps(signed.to_json(), indent=1))
    code = digest_code(root.hash)
    each(lambda one: one.run("pin", "--root", draft, "--fingerprint", code))
    policy = folder / "policy.yaml"
    policy.write_text(rules.policy_text)
    keeper.run("pin", "--root", draft, "--policy", policy, "--fingerprint", code)
    consents: dict[str, tuple[Signature, ...]] = {}
    for answer in rounds:
        for item in answer["consents"]:
            given = Signature(answer["cosigner"], item["signature"])
            consents[item["keyset"]] = (*consents.get(item["keyset"], ()), given)
    written = {keyset: [item.to_json() for item in given] for keyset, given in consents.items()}
    (folder / "consents.json").write_text(json.dumps(written, indent=1))
    return Outcome(signed, consents, code)


def install(database: Database, outcome: Outcome, *, policy_text: str) -> None:
    """Put the root in force and register its keysets, as ``custody trust install`` does."""
    with database.unit() as unit:
        trust.install(unit.session, signed=outcome.signed, policy_text=policy_text, actor="ceremony", now=unit.now)
        for keyset in outcome.signed.root.keysets:
            vaults.register_keyset(
                unit.session, keyset=keyset, consents=outcome.consents[keyset.id], actor="ceremony", now=unit.now
            )


def _make_key(cosigner: Cosigner) -> str:
    cosigner.run(
        *("init", "--name", cosigner.name, "--network", cosigner.network),
        *("--backup-file", cosigner.home.parent / "words", *cosigner.passphrase()),
        # Nobody can guess a passphrase of 128 random bits, so none of the time that slows guessing down is spent.
        *("--scrypt-log2n", "12"),
    )
    return cosigner.run("record", *cosigner.passphrase())


def _keysets(cosigners: Sequence[Cosigner], records: Sequence[Mapping[str, Any]]) -> list[Keyset]:
    """One keyset for each network, in the order of the cosigners."""
    now = datetime.now(UTC)
    by_network: dict[str, list[Mapping[str, Any]]] = {}
    for cosigner, record in zip(cosigners, records, strict=True):
        by_network.setdefault(cosigner.network, []).append(record)
    found = []
    for name, records_there in by_network.items():
        chain = chain_named(name)
        members = [KeysetCosigner(item["cosigner"], item["account_key"], item["public_key"]) for item in records_there]
        descriptor = addressing(chain).keyset_descriptor(members, threshold=THRESHOLD)
        found.append(Keyset(new_id("kst", now), chain, THRESHOLD, tuple(members), descriptor))
    return found


def _root(
    keysets: Sequence[Keyset],
    operators: list[Person],
    requester: Person,
    service: Service,
    rules: Rules,
) -> TrustRoot:
    now = datetime.now(UTC)
    policy = load_document(rules.policy_text)
    return TrustRoot(
        version=1,
        name="demo",
        created_at=now,
        expires_at=now + timedelta(days=30),
        assets=tuple(rules.assets),
        operators=tuple(RootPerson(person.name, (person.public,)) for person in operators),
        requesters=(RootPerson(requester.name, (requester.public,)),),
        groups={group: tuple(sorted(members)) for group, members in policy.groups.items()},
        keysets=tuple(keysets),
        policy_hash=policy.hash,
        services=(service,),
        console=rules.console,
        cooling_seconds=rules.cooling_seconds,
    )


def _sign(root: TrustRoot, operators: list[Person], rounds: list[dict[str, Any]]) -> SignedTrustRoot:
    message = bytes.fromhex(root.hash)
    by_operators = [person.sign(message) for person in operators]
    by_cosigners = [Signature.parse(answer["root_signature"], field="root_signature") for answer in rounds]
    return SignedTrustRoot(root, (*by_operators, *by_cosigners))


def _each(cosigners: list[Cosigner], act: Callable[[Cosigner], str], go_on: Callable[[], None]) -> list[str]:
    def step(cosigner: Cosigner) -> str:
        go_on()
        return act(cosigner)

    with ThreadPoolExecutor(max_workers=len(cosigners)) as pool:
        return list(pool.map(step, cosigners))
