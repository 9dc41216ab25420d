"""Keysets and vaults: what is registered is what was signed, and a branch is one owner's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custody.audit import queries as audit
from custody.chains.addressing import KeysetRefused
from custody.clients import operations as clients
from custody.db import Database
from custody.evidence.keysets import ProofRefused
from custody.kernel.errors import InvalidInput
from custody.vaults import operations, queries
from custody.vaults.model import Vault
from custody.vaults.operations import BranchTaken, KeysetExists, SegregationMismatch, VaultOpen
from custody.vaults.queries import KeysetTampered, UnknownVault
from tests.integration.deposits.world import as_superuser
from tests.integration.vaults.keysets import TestKeyset, make_keyset
from tests.support.servers import FreshDatabase


@pytest.fixture
def keys() -> TestKeyset:
    return make_keyset()


def register(db: Database, keys: TestKeyset) -> None:
    with db.unit() as unit:
        operations.register_keyset(unit.session, keyset=keys.keyset, consents=keys.consents, actor="test", now=unit.now)


def open_client(db: Database, client: str, segregation: str = "segregated") -> None:
    with db.unit() as unit:
        clients.open_client(
            unit.session,
            client=client,
            name=client,
            segregation=segregation,
            opening="00" * 32,
            actor="test",
            now=unit.now,
        )


def open_vault(db: Database, keys: TestKeyset, client: str, branch: int, kind: str = "segregated") -> Vault:
    with db.unit() as unit:
        return operations.open_vault(
            unit.session,
            keyset_id=keys.keyset.id,
            branch=branch,
            kind=kind,
            client=client,
            actor="test",
            now=unit.now,
        )


def test_registers_a_keyset_once_and_reads_it_back(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    register(database.db, keys)
    with database.db.unit() as unit:
        assert queries.keyset(unit.session, keyset_id=keys.keyset.id) == keys.keyset
        assert audit.head(unit.session).sequence == 1


def test_refuses_a_keyset_without_every_cosigners_consent(database: FreshDatabase, keys: TestKeyset) -> None:
    lacking = replace(keys, consents=keys.consents[:2])
    with pytest.raises(ProofRefused, match="cosigner-3"):
        register(database.db, lacking)


def test_refuses_a_consent_to_another_descriptor(database: FreshDatabase, keys: TestKeyset) -> None:
    other = replace(keys.keyset, id="kst-other")
    mixed = tuple(cosigner.consent(other) for cosigner in keys.cosigners)
    with pytest.raises(ProofRefused):
        register(database.db, replace(keys, consents=mixed))


def test_refuses_a_descriptor_that_its_keys_do_not_give(database: FreshDatabase, keys: TestKeyset) -> None:
    wrong = replace(keys.keyset, descriptor=make_keyset().keyset.descriptor)
    consents = tuple(cosigner.consent(wrong) for cosigner in keys.cosigners)
    with pytest.raises(KeysetRefused, match="descriptor"):
        register(database.db, TestKeyset(wrong, consents, keys.cosigners))


def test_refuses_a_point_that_is_not_its_keys(database: FreshDatabase, keys: TestKeyset) -> None:
    stranger = make_keyset().cosigners[0].member()
    first = replace(keys.keyset.cosigners[0], public_key=stranger.public_key)
    wrong = replace(keys.keyset, cosigners=(first, *keys.keyset.cosigners[1:]))
    with pytest.raises(KeysetRefused, match="cosigner-1"):
        register(database.db, TestKeyset(wrong, keys.consents, keys.cosigners))


def test_refuses_another_keyset_under_the_same_id(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    with pytest.raises(KeysetExists):
        register(database.db, make_keyset(keys.keyset.id))


def test_refuses_a_private_key_in_a_keyset(database: FreshDatabase, keys: TestKeyset) -> None:
    secret = keys.cosigners[0].account.to_base58()
    first = replace(keys.keyset.cosigners[0], account_key=f"[00000000/48h/1h/0h/2h]{secret}")
    wrong = replace(keys.keyset, cosigners=(first, *keys.keyset.cosigners[1:]))
    with pytest.raises(InvalidInput) as refusal:
        register(database.db, TestKeyset(wrong, keys.consents, keys.cosigners))
    assert secret not in str(refusal.value)


def test_gives_a_branch_to_one_segregated_client_only(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    open_client(database.db, "acme")
    open_client(database.db, "birch")
    vault = open_vault(database.db, keys, "acme", 7)
    assert vault.id == f"{keys.keyset.id}/7"
    assert open_vault(database.db, keys, "acme", 7) == vault
    with pytest.raises(BranchTaken):
        open_vault(database.db, keys, "birch", 7)
    with pytest.raises(VaultOpen):
        open_vault(database.db, keys, "acme", 8)
    with database.db.unit() as unit:
        assert [vault.id for vault in queries.every(unit.session)] == [f"{keys.keyset.id}/7"]


def test_shares_a_pool_among_omnibus_clients_only(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    for client, segregation in (("acme", "segregated"), ("birch", "omnibus"), ("cedar", "omnibus")):
        open_client(database.db, client, segregation)
    pool = open_vault(database.db, keys, "birch", 9, "pool")
    assert open_vault(database.db, keys, "cedar", 9, "pool").id == pool.id
    with pytest.raises(SegregationMismatch):
        open_vault(database.db, keys, "acme", 9, "pool")
    with pytest.raises(SegregationMismatch):
        open_vault(database.db, keys, "cedar", 10, "segregated")
    with pytest.raises(BranchTaken):
        open_vault(database.db, keys, "acme", 9, "segregated")
    with database.db.unit() as unit:
        assert [member.client for member in queries.members(unit.session, vault=pool.id)] == ["birch", "cedar"]
        assert queries.vault_of(unit.session, client="cedar", chain=keys.keyset.chain).id == pool.id


def test_refuses_a_branch_that_is_none(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    open_client(database.db, "acme")
    with pytest.raises(InvalidInput, match=r"request\.branch"):
        open_vault(database.db, keys, "acme", 2**31)


def test_reads_no_keyset_that_was_changed_behind_its_back(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    stranger = make_keyset().keyset.cosigners[0].account_key
    mine = keys.keyset.cosigners[0].account_key
    as_superuser(database, f"UPDATE keysets SET document = replace(document::text, '{mine}', '{stranger}')::jsonb")
    with pytest.raises(KeysetTampered), database.db.unit() as unit:
        queries.keyset(unit.session, keyset_id=keys.keyset.id)


def test_freezes_a_vault_once_with_an_alarm(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    open_client(database.db, "acme")
    vault = open_vault(database.db, keys, "acme", 1).id
    with database.db.unit() as unit:
        assert operations.freeze_vault(unit.session, vault=vault, reason="break", actor="test", now=unit.now)
        assert not operations.freeze_vault(unit.session, vault=vault, reason="other", actor="test", now=unit.now)
    with database.db.unit() as unit:
        assert queries.get(unit.session, vault=vault, lock=True).frozen_reason == "break"
        assert [alarm.subject for alarm in audit.alarms(unit.session)] == [vault]
    with pytest.raises(UnknownVault), database.db.unit() as unit:
        operations.freeze_vault(unit.session, vault="none/1", reason="x", actor="test", now=unit.now)


def test_notes_the_newest_reconciled_height(database: FreshDatabase, keys: TestKeyset) -> None:
    register(database.db, keys)
    open_client(database.db, "acme")
    vault = open_vault(database.db, keys, "acme", 1).id
    for height in (100, 105, 103):
        with database.db.unit() as unit:
            operations.note_reconciled(unit.session, vault=vault, height=height, now=unit.now)
    with database.db.unit() as unit:
        assert queries.get(unit.session, vault=vault).reconciled_height == 105
