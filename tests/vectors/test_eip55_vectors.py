"""EIP-55: checksums written as the standard has them, and a wrong one refused."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.address import checksum_address, parse_address
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows


@pytest.mark.parametrize("row", rows("eip55_checksum", "checksum"))
def test_writes_the_checksum(row):
    lower, expected = row["input"]["address_lower"], row["expected"]["checksummed"]
    assert checksum_address(bytes.fromhex(lower[2:])) == expected
    assert parse_address(lower) == parse_address(expected) == expected


@pytest.mark.parametrize("row", rows("eip55_checksum", "bad_checksum"))
def test_refuses_a_wrong_checksum(row):
    with pytest.raises(InvalidInput, match="wrong EIP-55 checksum"):
        parse_address(row["input"]["address"])
