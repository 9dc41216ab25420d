"""BIP-129's descriptor records: read, and their descriptors and first addresses found again."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.wallet_files import parse_bsms
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows

ROWS = rows("bsms_bip129", "setup")


@pytest.mark.parametrize("row", ROWS)
def test_reads_the_record(row):
    expected, signers = row["expected"], row["input"]["signers"]
    parsed = parse_bsms(expected["descriptor_record"], network=network("mainnet"))
    assert parsed.threshold == row["input"]["m"]
    assert [key.fingerprint for key in parsed.keys] == [signer["master_fingerprint"] for signer in signers]
    assert [key.xpub for key in parsed.keys] == [signer["xpub"] or signer["pubkey_hex"] for signer in signers]
    assert parsed.derive(change=False, index=0).address == expected["first_address"]


@pytest.mark.parametrize("row", ROWS)
def test_refuses_another_first_address(row):
    record = row["expected"]["descriptor_record"]
    with pytest.raises(InvalidInput):
        parse_bsms(record[:-1] + ("q" if record[-1] != "q" else "p"), network=network("mainnet"))
