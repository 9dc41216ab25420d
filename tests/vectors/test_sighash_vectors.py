"""BIP-143 vectors: digests of all six types; only ALL makes a signature that counts."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.ecdsa import verify_message
from custody.chains.bitcoin.offline.psbt import Psbt, count_valid_signatures
from custody.chains.bitcoin.offline.psbt.maps import PsbtMaps
from custody.chains.bitcoin.offline.script import p2sh_script
from custody.chains.bitcoin.offline.sighash import ALL, segwit_sighash
from custody.chains.bitcoin.offline.signer import signature_over
from custody.chains.bitcoin.offline.transaction import TransactionOutput, parse_transaction, write_output
from tests.support.vectors import rows

ROWS = rows("segwit_sighash")


@pytest.mark.parametrize("row", ROWS)
def test_computes_the_digest_and_verifies_the_signature(row):
    given, expected = row["input"], row["expected"]
    digest = segwit_sighash(
        bytes.fromhex(given["unsigned_tx_hex"]),
        index=given["input_index"],
        script_code=bytes.fromhex(given.get("witness_script_hex") or given["script_code_hex"]),
        amount_sat=given["amount_sats"],
        sighash_type=given["sighash_type"],
    )
    assert digest.hex() == expected["sighash_hex"]
    if "signature_hex" not in expected:
        return
    signature = bytes.fromhex(expected["signature_hex"])
    assert verify_message(bytes.fromhex(expected["pubkey_hex"]), digest, signature[:-1])
    assert signature_over(digest, bytes.fromhex(given["private_key_hex"]))[:-1] == signature[:-1]


@pytest.mark.parametrize("row", [row for row in ROWS if "signature_hex" in row.values[0]["expected"]])
def test_counts_a_signature_only_of_type_all(row):
    given = row["input"]
    redeem = bytes.fromhex(given["redeem_script_hex"])
    fields = {
        b"\x01": write_output(TransactionOutput(given["amount_sats"], p2sh_script(redeem))),
        b"\x04": redeem,
        b"\x05": bytes.fromhex(given["witness_script_hex"]),
        b"\x02" + bytes.fromhex(row["expected"]["pubkey_hex"]): bytes.fromhex(row["expected"]["signature_hex"]),
    }
    unsigned = parse_transaction(bytes.fromhex(given["unsigned_tx_hex"]))
    psbt = Psbt(PsbtMaps(unsigned, {b"\x00": unsigned.stripped}, (fields,), ({},) * len(unsigned.outputs)))
    assert count_valid_signatures(psbt) == [1 if given["sighash_type"] == ALL else 0]
