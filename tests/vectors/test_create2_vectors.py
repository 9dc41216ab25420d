"""EIP-1014: where CREATE2 puts a contract."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.proxy import create2_address
from tests.support.vectors import rows


@pytest.mark.parametrize("row", rows("create2_addresses", "create2"))
def test_finds_the_address(row):
    deployer, salt, code = (bytes.fromhex(row["input"][name][2:]) for name in ("deployer", "salt", "init_code"))
    assert create2_address(checksum_address(deployer), salt, keccak(code)) == row["expected"]["address"]
