"""Fixed keys and the two layouts of vaults: what is derived here is what Bitcoin Core and another library derive."""

from __future__ import annotations

import coincurve
import pytest

from custody.chains.bitcoin.offline.descriptor import (
    POLICY_BLOCK,
    BranchDescriptor,
    expect_same_vault,
    open_descriptor,
    parse_vault_descriptor,
)
from custody.chains.bitcoin.offline.members import FixedKey, parse_member
from custody.chains.bitcoin.second_address import derive_independently
from custody.evidence.keysets import POLICY
from custody.kernel.errors import InvalidInput
from tests.chains.bitcoin.offline.builders import KEYS, REGTEST, payment

FIXED = FixedKey(coincurve.PrivateKey(b"\x07" * 32).public_key.format())
OTHER = FixedKey(coincurve.PrivateKey(b"\x08" * 32).public_key.format())
MIXED = (KEYS[0], FIXED, KEYS[2])


def of_policy(branch: int, keys=KEYS) -> BranchDescriptor:
    return BranchDescriptor(2, keys, branch, REGTEST, POLICY)


def of_branch(branch: int, keys=MIXED) -> BranchDescriptor:
    return BranchDescriptor(2, keys, branch, REGTEST)


@pytest.mark.parametrize("vault", [of_branch(7), of_policy(3), of_policy(3, MIXED), of_policy(32_767)])
def test_bitcoin_core_derives_what_we_derive(vault, bitcoind):
    for text, change in ((vault.receive_text, False), (vault.change_text, True)):
        assert bitcoind.rpc("getdescriptorinfo", text)["descriptor"].endswith(text[-8:])
        first = vault.position(0)
        theirs = bitcoind.rpc("deriveaddresses", text, [first, first + 19])
        assert theirs == [vault.derive(change=change, index=index).address for index in range(20)]
        assert derive_independently(vault, change=change, index=9) == theirs[9]
    last = vault.last_index
    assert derive_independently(vault, change=False, index=last) == vault.derive(change=False, index=last).address


def test_a_fixed_key_stands_as_it_is_in_every_script():
    vault = of_branch(7)
    assert vault.text.count(FIXED.text) == 1
    assert f"{FIXED.text}/" not in vault.text
    for index in range(3):
        derived = vault.derive(change=False, index=index)
        assert derived.pubkeys[1] == FIXED.public_key
        assert vault.origins(change=False, index=index)[FIXED.public_key] == (FIXED.fingerprint, ())
    assert len({vault.derive(change=False, index=index).address for index in range(9)}) == 9
    assert of_branch(8).derive(change=False, index=0).address != vault.derive(change=False, index=0).address


def test_reads_back_a_vault_with_a_fixed_key():
    parsed = parse_vault_descriptor(of_branch(7).text, network=REGTEST)
    assert parsed.branch == 7
    expect_same_vault(parsed, of_branch(7))
    with pytest.raises(InvalidInput, match="key 2"):
        expect_same_vault(parsed, of_branch(7, (KEYS[0], OTHER, KEYS[2])))
    shared = parse_vault_descriptor(of_policy(3, MIXED).text, network=REGTEST)
    expect_same_vault(shared, of_policy(3, MIXED))
    with pytest.raises(InvalidInput):
        expect_same_vault(shared, of_branch(3))


def test_refuses_fixed_keys_alone_and_one_given_twice():
    third = FixedKey(coincurve.PrivateKey(b"\x09" * 32).public_key.format())
    with pytest.raises(InvalidInput, match="fixed keys alone"):
        open_descriptor(threshold=2, keys=(FIXED, OTHER, third))
    with pytest.raises(InvalidInput, match="fixed keys alone"):
        of_branch(0, (FIXED, OTHER, third))
    with pytest.raises(InvalidInput, match="the same key twice"):
        of_branch(0, (KEYS[0], FIXED, FIXED))


@pytest.mark.parametrize(
    "text",
    [
        f"[{OTHER.fingerprint}]{FIXED.public_key.hex()}",
        f"[{FIXED.fingerprint}]02{'00' * 32}",
        f"[{FIXED.fingerprint}/48h]{FIXED.public_key.hex()}",
        FIXED.public_key.hex(),
        f"[{FIXED.fingerprint}]{FIXED.public_key.hex()}/0",
        f"[{FIXED.fingerprint}]{FIXED.public_key.hex().upper()}",
    ],
)
def test_reads_a_fixed_key_in_its_one_form_only(text):
    assert parse_member(FIXED.text, network=REGTEST) == FIXED
    with pytest.raises(InvalidInput):
        parse_member(text, network=REGTEST)


def test_vaults_of_one_policy_share_its_text_and_no_address():
    assert open_descriptor(threshold=2, keys=KEYS, layout=POLICY) == of_policy(0).text.split("#")[0]
    assert of_policy(0).text == of_policy(5).text
    assert "/B/" in open_descriptor(threshold=2, keys=KEYS)
    # The last of one block and the first of the next are neighbours, and no place is in two blocks.
    assert of_policy(1).position(POLICY_BLOCK - 1) + 1 == of_policy(2).position(0)
    for position in (0, POLICY_BLOCK - 1, POLICY_BLOCK, 3 * POLICY_BLOCK + 5, 2**31 - 1):
        owners = [branch for branch in (0, 1, 2, 3, 32_767) if of_policy(branch).index_at(position) is not None]
        assert owners == [position // POLICY_BLOCK]


@pytest.mark.parametrize("index", [-1, POLICY_BLOCK, True, 2**31])
def test_an_index_beyond_its_block_is_no_address_of_the_vault(index):
    for derive in (of_policy(1).derive, of_policy(1).origins):
        with pytest.raises(InvalidInput, match="not an index"):
            derive(change=False, index=index)


@pytest.mark.parametrize(("branch", "layout"), [(32_768, POLICY), (-1, POLICY), (0, "spread")])
def test_refuses_a_block_or_layout_there_is_not(branch, layout):
    with pytest.raises(InvalidInput):
        BranchDescriptor(2, KEYS, branch, REGTEST, layout)


@pytest.mark.parametrize("vault", [of_branch(7), of_policy(3, MIXED)])
def test_a_payment_names_every_members_origin(vault):
    (first, _) = payment(vault).inputs
    expected = dict(vault.origins(change=False, index=0))
    assert dict(first.derivations) == expected
    tail = (7, 0, 0) if vault.branch == 7 else (0, 3 * POLICY_BLOCK)
    hardened = 2**31
    assert expected[vault.derive(change=False, index=0).pubkeys[0]] == (
        KEYS[0].fingerprint,
        (hardened + 48, hardened + 1, hardened, hardened + 2, *tail),
    )
