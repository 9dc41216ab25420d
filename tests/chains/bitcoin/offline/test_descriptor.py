"""Vault descriptors: what is written, what is derived two ways, what is taken back in."""

from __future__ import annotations

import re

import pytest
from embit.descriptor import Descriptor as EmbitDescriptor
from embit.networks import NETWORKS as EMBIT
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.bitcoin.offline.descriptor import (
    BranchDescriptor,
    checksum,
    expect_same_vault,
    open_descriptor,
    open_descriptor_hash,
    parse_vault_descriptor,
    strip_checksum,
    with_checksum,
)
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.second_address import derive_independently
from custody.kernel.errors import InvalidInput
from tests.chains.bitcoin.offline.builders import KEYS, REGTEST, STRANGER, TestCosigner, vault

INDEXES = st.integers(0, 2**31 - 1)


def _refused(text: object, *, field: str = "descriptor") -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_vault_descriptor(text, network=REGTEST)
    assert caught.value.field == field
    return caught.value.message


def test_computes_the_checksum_of_bip380():
    assert checksum("raw(deadbeef)") == "89f8spxm"
    assert strip_checksum("raw(deadbeef)#89f8spxm") == "raw(deadbeef)"


@pytest.mark.parametrize(
    "text", ["raw(deadbeef)#", "raw(deadbeef)#89f8spx", "raw(deadbeee)#89f8spxm", "raw(Ü)#00000000"]
)
def test_refuses_a_wrong_checksum(text):
    with pytest.raises(InvalidInput) as caught:
        strip_checksum(text, field="import")
    assert caught.value.field == "import"


def test_leaves_the_branch_open_in_the_keysets_descriptor():
    text = open_descriptor(threshold=2, keys=KEYS)
    assert text == f"wsh(sortedmulti(2,{','.join(key.text + '/B/<0;1>/*' for key in KEYS)}))"
    other_order = open_descriptor(threshold=2, keys=KEYS[::-1])
    assert re.fullmatch("[0-9a-f]{64}", open_descriptor_hash(text))
    assert open_descriptor_hash(text) != open_descriptor_hash(other_order)


@pytest.mark.parametrize(("threshold", "members"), [(0, 3), (4, 3), (1, 2), (1, 3), (2, 4), (3, 6), (9, 16), (1, 0)])
def test_refuses_a_quorum_that_does_not_overlap_itself(threshold, members):
    keys = tuple(TestCosigner(f"member {number}").account for number in range(members))
    with pytest.raises(InvalidInput):
        open_descriptor(threshold=threshold, keys=keys)
    with pytest.raises(InvalidInput):
        BranchDescriptor(threshold=threshold, keys=keys, branch=0, network=REGTEST)


def test_takes_fifteen_members():
    keys = tuple(TestCosigner(f"member {number}").account for number in range(15))
    descriptor = BranchDescriptor(threshold=8, keys=keys, branch=0, network=REGTEST)
    assert derive_independently(descriptor, change=False, index=0) == descriptor.derive(change=False, index=0).address


def test_refuses_the_same_key_twice():
    with pytest.raises(InvalidInput, match="the same key twice"):
        open_descriptor(threshold=2, keys=(KEYS[0], KEYS[1], KEYS[0]))
    with pytest.raises(InvalidInput, match="the same key twice"):
        vault(keys=(KEYS[0], KEYS[1], KEYS[0]))


def test_refuses_keys_of_another_network_and_branches_out_of_range():
    with pytest.raises(InvalidInput, match="another network"):
        BranchDescriptor(threshold=2, keys=KEYS, branch=0, network=network("mainnet"))
    for branch in (-1, 2**31, True):
        with pytest.raises(InvalidInput):
            vault(branch=branch)


def test_keeps_the_branch_in_each_keys_origin():
    text = vault(branch=7).text
    assert text.count("/48h/1h/0h/2h/7]tpub") == 3
    assert text.count("/<0;1>/*") == 3
    assert with_checksum(strip_checksum(text)) == text
    assert vault().receive_text.split("#")[0] == text.split("#")[0].replace("<0;1>", "0")
    assert vault().change_text.split("#")[0] == text.split("#")[0].replace("<0;1>", "1")


@settings(max_examples=40, deadline=None)
@given(branch=INDEXES, index=INDEXES, change=st.booleans(), order=st.permutations(range(3)))
def test_derives_the_same_address_three_ways(branch, index, change, order):
    descriptor = vault(branch=branch, keys=tuple(KEYS[place] for place in order))
    derived = descriptor.derive(change=change, index=index)
    assert derive_independently(descriptor, change=change, index=index) == derived.address
    text = descriptor.change_text if change else descriptor.receive_text
    by_embit = EmbitDescriptor.from_string(strip_checksum(text)).derive(index)
    assert by_embit.address(EMBIT["regtest"]) == derived.address
    assert by_embit.witness_script().data == derived.witness_script
    assert parse_vault_descriptor(descriptor.text, network=REGTEST).derive(change=change, index=index) == derived


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(3)))
def test_gives_the_same_script_in_any_key_order_and_keys_in_keyset_order(order):
    keys = tuple(KEYS[place] for place in order)
    derived, reference = vault(keys=keys).derive(change=False, index=5), vault().derive(change=False, index=5)
    assert derived.script_pubkey == reference.script_pubkey
    assert derived.pubkeys == tuple(reference.pubkeys[place] for place in order)


@pytest.mark.parametrize("index", [-1, 2**31])
def test_refuses_an_index_out_of_range(index):
    with pytest.raises(InvalidInput):
        vault().derive(change=False, index=index)


def test_names_where_each_key_comes_from():
    derived = vault(branch=7).derive(change=True, index=9)
    origins = vault(branch=7).origins(change=True, index=9)
    hardened = 2**31
    path = (hardened + 48, hardened + 1, hardened, hardened + 2, 7, 1, 9)
    assert tuple(origins) == derived.pubkeys
    assert [origins[pubkey] for pubkey in derived.pubkeys] == [(key.fingerprint, path) for key in KEYS]


class TestImport:
    def _account_form(self, branch: int = 7, keys=KEYS) -> str:
        return f"wsh(sortedmulti(2,{','.join(f'{key.text}/{branch}/<0;1>/*' for key in keys)}))"

    def test_takes_back_what_was_exported_in_both_forms(self):
        for text in (vault().text, strip_checksum(vault().text), self._account_form()):
            parsed = parse_vault_descriptor(text, network=REGTEST)
            assert (parsed.threshold, parsed.multipath, parsed.branch) == (2, True, 7)
            assert parsed.branch_keys() == vault().branch_keys
            expect_same_vault(parsed, vault())
            for change in (False, True):
                assert parsed.derive(change=change, index=4) == vault().derive(change=change, index=4)

    def test_derives_from_one_chain_but_does_not_call_it_the_vault(self):
        parsed = parse_vault_descriptor(vault().receive_text, network=REGTEST)
        assert parsed.derive(change=False, index=4) == vault().derive(change=False, index=4)
        with pytest.raises(InvalidInput, match="no change chain"):
            parsed.derive(change=True, index=4)
        with pytest.raises(InvalidInput, match="not a branch"):
            expect_same_vault(parsed, vault())

    def test_p077_refuses_a_swapped_key_that_keeps_its_fingerprint(self):
        stranger = STRANGER.account
        swapped = vault().text.split("#")[0].replace(vault().branch_keys[1].xpub, stranger.child(7).xpub)
        parsed = parse_vault_descriptor(with_checksum(swapped), network=REGTEST)
        with pytest.raises(InvalidInput, match="key 2 is not the registered one"):
            expect_same_vault(parsed, vault())
        forged = (KEYS[0], type(stranger)(KEYS[1].fingerprint, stranger.path, stranger.xpub), KEYS[2])
        honest = open_descriptor_hash(open_descriptor(threshold=2, keys=KEYS))
        assert open_descriptor_hash(open_descriptor(threshold=2, keys=forged)) != honest

    def test_p078_refuses_multi_another_order_and_another_threshold(self):
        body = strip_checksum(vault().text)
        assert _refused(body.replace("sortedmulti", "multi")).startswith("wsh(multi) is not a vault here")
        reordered = parse_vault_descriptor(self._account_form(keys=KEYS[::-1]), network=REGTEST)
        with pytest.raises(InvalidInput, match="another order"):
            expect_same_vault(reordered, vault())
        for threshold in (1, 3):
            other = parse_vault_descriptor(body.replace("multi(2", f"multi({threshold}"), network=REGTEST)
            with pytest.raises(InvalidInput, match=f"threshold {threshold}; registered is 2"):
                expect_same_vault(other, vault())
        fewer = parse_vault_descriptor(self._account_form(keys=KEYS[:2]), network=REGTEST)
        with pytest.raises(InvalidInput, match="2 keys; registered are 3"):
            expect_same_vault(fewer, vault())
        with pytest.raises(InvalidInput, match="key 1 is not the registered one"):
            expect_same_vault(parse_vault_descriptor(vault(branch=8).text, network=REGTEST), vault())

    def test_p078_gives_bitcoin_cores_first_thousand_addresses(self, bitcoind):
        descriptor = vault()
        for change, text in ((False, descriptor.receive_text), (True, descriptor.change_text)):
            by_node = bitcoind.rpc("deriveaddresses", text, [0, 999])
            assert [descriptor.derive(change=change, index=index).address for index in range(1000)] == by_node
        info = bitcoind.rpc("getdescriptorinfo", descriptor.text)
        assert info["checksum"] == descriptor.text.split("#")[1]

    @pytest.mark.parametrize(
        ("form", "name"),
        [
            ("sh(sortedmulti(1,K))", "sh(sortedmulti)"),
            ("sh(wsh(sortedmulti(1,K)))", "sh(wsh(sortedmulti))"),
            ("sh(wpkh(K))", "sh(wpkh)"),
            ("wsh(multi(1,K))", "wsh(multi)"),
            ("wsh(pk(K))", "wsh(pk)"),
            ("wsh(or_d(pk(K),older(9)))", "wsh(or_d)"),
            ("sortedmulti(1,K)", "sortedmulti"),
            ("multi(1,K)", "multi"),
            ("pk(K)", "pk"),
            ("pkh(K)", "pkh"),
            ("wpkh(K)", "wpkh"),
            ("combo(K)", "combo"),
            ("tr(K)", "tr"),
            ("tr(musig(K,K))", "tr"),
            ("rawtr(K)", "rawtr"),
            ("raw(deadbeef)", "raw"),
            ("addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)", "addr"),
            ("unspendable(K)", "unspendable"),
        ],
    )
    def test_refuses_every_other_form_by_name(self, form, name):
        text = form.replace("K", KEYS[0].text)
        expected = f"{name} is not a vault here; accepted is wsh(sortedmulti(m,key,…))"
        assert _refused(text) == expected
        assert _refused(with_checksum(text)) == expected

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda text: text.replace("<0;1>", "<0;2>"), "a multipath that is not <0;1>"),
            (lambda text: text.replace("<0;1>", "<1;0>"), "a multipath that is not <0;1>"),
            (lambda text: text.replace("<0;1>/*", "<0;1>/*h"), "hardened step"),
            (lambda text: text.replace("/<0;1>", "/3h/<0;1>"), "hardened step"),
            (lambda text: text.replace("multi(2", "multi(02"), "a threshold of 02"),
            (lambda text: text.replace("multi(2", "multi(0"), "a threshold of 0"),
            (lambda text: text.replace("multi(2", "multi(4"), "a threshold of 4 among 3"),
            (lambda text: text.replace("/7]", "/8]"), "not the last step of its origin"),
            (lambda text: text.replace("/2h/7]", "/2h]"), "depth 5, its origin path has 4"),
            (lambda text: text.replace("))", "),)"), "not a well-formed descriptor"),
            (lambda text: text + " ", "not a well-formed descriptor"),
            (lambda text: "", "0 characters"),
            (lambda text: text.replace("tpub", "tprv", 1), "private key"),
            (lambda text: text * 40, "8000"),
        ],
    )
    def test_refuses_what_is_not_quite_a_vault(self, change, reason):
        assert reason in _refused(change(strip_checksum(vault().text)))

    def test_refuses_another_networks_descriptor_and_other_types(self):
        with pytest.raises(InvalidInput, match=r"another network \(tpub\)"):
            parse_vault_descriptor(vault().text, network=network("mainnet"))
        assert _refused(None) == "not a string; accepted is a descriptor"

    def test_refuses_a_wrong_checksum_naming_the_field(self):
        text = vault().text
        with pytest.raises(InvalidInput, match="wrong checksum") as caught:
            parse_vault_descriptor(text.replace("multi(2", "multi(3"), network=REGTEST, field="import")
        assert caught.value.field == "import"

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_only_ever_refuses_or_reads_a_mutated_text(self, data):
        text = list(strip_checksum(vault().text))
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(text) - 1))
            text[place] = data.draw(st.sampled_from("0123456789abh'/<>;*()[],#tpubxm"))
        try:
            parsed = parse_vault_descriptor("".join(text), network=REGTEST)
        except InvalidInput:
            return
        try:
            expect_same_vault(parsed, vault())
        except InvalidInput:
            return
        assert parsed.derive(change=True, index=1) == vault().derive(change=True, index=1)
