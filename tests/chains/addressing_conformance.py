"""What every chain's addressing must do, whichever chain it is. A chain's own test file subclasses
``AddressingConformance`` and gives it the fixtures ``where``, ``keyset`` and ``outside``.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from custody.chains.addressing import Addressing, DerivationMismatch, Derived, KeysetRefused, confirm
from custody.chains.registry import addressing
from custody.evidence.keysets import Keyset
from custody.kernel.errors import InvalidInput

CLIENTS = ("cli_acme", "cli_birch")


class AddressingConformance:
    """Subclass as ``Test…``."""

    @pytest.fixture
    def where(self) -> Addressing:
        raise LookupError("a subclass gives the addressing")

    @pytest.fixture
    def keyset(self) -> Keyset:
        raise LookupError("a subclass gives a keyset of this chain")

    @pytest.fixture
    def outside(self) -> str:
        raise LookupError("a subclass gives an address of somebody else, as we write it")

    def test_is_served_under_its_chain(self, where):
        assert addressing(where.chain).chain == where.chain
        assert where.native.chain == where.chain

    def test_takes_a_keyset_whose_keys_give_its_descriptor(self, where, keyset):
        where.check_keyset(keyset)

    def test_refuses_another_descriptor_and_another_point(self, where, keyset):
        first, *others = keyset.cosigners
        swapped = (replace(first, public_key=others[0].public_key), *others)
        for wrong in (replace(keyset, descriptor=f"{keyset.descriptor} "), replace(keyset, cosigners=swapped)):
            with pytest.raises(KeysetRefused):
                where.check_keyset(wrong)

    def test_derives_each_address_twice_and_no_two_alike(self, where, keyset):
        found = {}
        for branch in (0, 1) if not where.personal else (0,):
            source = where.source(keyset, branch=branch)
            for client in CLIENTS if where.personal else (None,):
                for change in (False, True) if where.makes_change else (False,):
                    for index in (0, 1, 2**31 - 1):
                        derived = source.derive(client=client, change=change, index=index)
                        confirm(derived, source, client=client, change=change)
                        assert derived.index == index
                        assert where.read_destination(derived.address, field="to").locator == derived.locator
                        found[branch, client, change, index] = derived
        assert len({item.locator for item in found.values()}) == len(found)
        assert len({item.address for item in found.values()}) == len(found)

    def test_confirms_no_other_address(self, where, keyset, outside):
        source = where.source(keyset, branch=0)
        client = CLIENTS[0] if where.personal else None
        strange = Derived(0, outside, where.read_destination(outside, field="to").locator)
        with pytest.raises(DerivationMismatch):
            confirm(strange, source, client=client, change=False)

    @pytest.mark.parametrize("index", [-1, 2**31])
    def test_derives_nothing_at_an_index_out_of_range(self, where, keyset, index):
        with pytest.raises(InvalidInput):
            where.source(keyset, branch=0).derive(client=CLIENTS[0], change=False, index=index)

    def test_an_address_is_one_clients_where_they_are_personal_and_anybodys_elsewhere(self, where, keyset):
        source = where.source(keyset, branch=0)
        assert len({source.derive(client=name, change=False, index=0).locator for name in CLIENTS}) == (
            len(CLIENTS) if where.personal else 1
        )
        if where.personal:
            with pytest.raises(InvalidInput):
                source.derive(client=None, change=False, index=0)
        else:
            assert source.derive(client=None, change=False, index=0) == source.derive(
                client=CLIENTS[0], change=False, index=0
            )

    def test_makes_no_change_where_it_says_so(self, where, keyset):
        source = where.source(keyset, branch=0)
        assert bool(source.change_text) == where.makes_change
        if not where.makes_change:
            with pytest.raises(InvalidInput):
                source.derive(client=CLIENTS[0], change=True, index=0)

    def test_reads_a_destination_as_we_write_it(self, where, outside):
        found = where.read_destination(outside, field="to")
        assert (found.address, found.least_units > 0) == (outside, True)

    @pytest.mark.parametrize("text", ["", " ", "nowhere", 17, None])
    def test_refuses_what_is_no_destination(self, where, text):
        with pytest.raises(InvalidInput) as refusal:
            where.read_destination(text, field="to")
        assert refusal.value.field == "to"

    def test_knows_how_much_there_can_be_of_its_own_assets(self, where):
        assert where.most_units(where.native.id) > 0
        with pytest.raises(InvalidInput):
            where.most_units("fake:0/slip44:0")
        assert where.home_of(where.native.id) is None
        with pytest.raises(InvalidInput):
            where.home_of("fake:0/slip44:0")

    def test_takes_its_own_export_and_no_other(self, where, keyset):
        ours, theirs = (where.source(replace(keyset, id=name), branch=place) for place, name in enumerate(("a", "b")))
        where.check_texts(ours.text, receive=ours.receive_text, change=ours.change_text, field="export")
        cut = ours.text[:-1] + ("q" if ours.text[-1] != "q" else "p")
        with pytest.raises(InvalidInput, match=r"export\.descriptor"):
            where.check_texts(cut, receive=ours.receive_text, change=ours.change_text, field="export")
        if ours.receive_text:
            with pytest.raises(InvalidInput, match=r"export\.receive"):
                where.check_texts(ours.text, receive=theirs.receive_text, change=ours.change_text, field="export")
