"""MultiSend batches: taken apart, written again, and refused when cut."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.multisend import decode_multisend, encode_multisend
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows


@pytest.mark.parametrize("row", rows("safe_multisend", "decode"))
def test_reads_and_writes_the_same_batch(row):
    data = bytes.fromhex(row["input"]["calldata"][2:])
    calls = decode_multisend(data)
    found = [{"operation": 0, "to": c.to, "value": str(c.value), "data": "0x" + c.data.hex()} for c in calls]
    assert found == row["expected"]["transactions"]
    assert encode_multisend(calls) == data


@pytest.mark.parametrize("row", rows("safe_multisend", "decode_invalid"))
def test_refuses_a_batch_that_is_none(row):
    with pytest.raises(InvalidInput, match=r"not a canonical multiSend\(bytes\)"):
        decode_multisend(bytes.fromhex(row["input"]["calldata"][2:]))
