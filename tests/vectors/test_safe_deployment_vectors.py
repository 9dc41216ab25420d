"""Safe deployments: what is pinned is what they say, everything else is known by name and never taken."""

from __future__ import annotations

import pytest

from custody.chains.ethereum.offline.deployments import PINNED, check_code, known_name, pinned
from custody.chains.ethereum.offline.network import NETWORKS, network
from custody.kernel.errors import InvalidInput
from tests.support.vectors import rows

ROWS = rows("safe_deployments", "deployment")
FAMILIES = [
    pytest.param(row.values[0], family, id=f"{row.id}-{family}")
    for row in ROWS
    for family in row.values[0]["expected"]["deployments"]
]
OURS = {(contract.name, contract.version) for contract in PINNED}


@pytest.mark.parametrize(("row", "family"), FAMILIES)
def test_pins_the_canonical_contracts_and_knows_the_others_by_name_only(row, family):
    name, version = row["input"]["contract"], row["input"]["version"]
    expected = row["expected"]["deployments"][family]
    found = pinned(expected["address"])
    if (name, version) in OURS and family == "canonical":
        assert found is not None
        assert (found.name, found.version, "0x" + found.code_hash.hex()) == (name, version, expected["code_hash"])
        check_code(found, bytes.fromhex(expected["code_hash"][2:]))
    else:
        assert found is None
        assert (known_name(expected["address"]) or "").startswith(f"{name} {version}")


@pytest.mark.parametrize(("row", "family"), [param for param in FAMILIES if "zksync" in str(param.id)])
def test_the_zksync_builds_never_pass_for_the_pinned_code(row, family):
    other = bytes.fromhex(row["expected"]["deployments"][family]["code_hash"][2:])
    for contract in PINNED:
        with pytest.raises(InvalidInput, match="other code than"):
            check_code(contract, other)


@pytest.mark.parametrize("row", [row for row in ROWS if row.values[0]["input"]["version"] == "1.4.1"])
def test_serves_networks_of_the_canonical_family_and_refuses_the_others_by_name(row):
    for chain_id, families in row["expected"]["networks"].items():
        if families == ["canonical"] and chain_id != "42220":
            assert network(f"eip155:{chain_id}").chain_id == int(chain_id)
        else:
            with pytest.raises(InvalidInput, match=r"(zkSync Era|Celo) is not served: it "):
                network(f"eip155:{chain_id}")
    listed = {chain_id for chain_id, families in row["expected"]["networks"].items() if "canonical" in families}
    assert {str(known.chain_id) for known in NETWORKS if not known.test} <= listed
