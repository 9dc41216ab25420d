"""A vault as other wallets and devices read it. Read back here by what is ours, by Bitcoin Core and by embit."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from embit.descriptor import Descriptor as EmbitDescriptor
from embit.networks import NETWORKS as EMBIT

from custody.chains.bitcoin.offline.checksum import with_checksum
from custody.chains.bitcoin.offline.wallet_files import KINDS, WalletFile, parse_bsms, write_wallet_file
from custody.kernel.errors import InvalidInput
from tests.chains.bitcoin.offline.builders import KEYS, REGTEST, vault
from tests.chains.bitcoin.offline.test_layouts import MIXED, of_branch, of_policy

NAMES = ("north", "south", "east")
VAULTS = {"branches": vault(branch=7), "policy": of_policy(3)}


def written(kind: str, layout: str = "branches", **changes) -> str:
    values = {"vault": VAULTS[layout], "label": "kst_demo-7", "cosigners": NAMES, **changes}
    return write_wallet_file(kind, WalletFile(**values))


def addresses(text: str, node, positions=(0, 19)) -> list[str]:
    """What Bitcoin Core derives of a text without checksum."""
    return node.rpc("deriveaddresses", with_checksum(text), list(positions))


@pytest.mark.parametrize("layout", VAULTS)
def test_every_kind_gives_bitcoin_core_the_vaults_addresses(layout, bitcoind):
    first = VAULTS[layout].first_position
    ours = [VAULTS[layout].derive(change=False, index=index).address for index in range(20)]
    run = (first, first + 19)
    multipath, receive, change = written("descriptor", layout).splitlines()
    assert bitcoind.rpc("getdescriptorinfo", receive)["checksum"] == receive[-8:]
    assert bitcoind.rpc("getdescriptorinfo", change)["checksum"] == change[-8:]
    assert bitcoind.rpc("getdescriptorinfo", multipath)["checksum"] == multipath[-8:]
    assert addresses(receive.split("#")[0], bitcoind, run) == ours

    template = written("bsms", layout).splitlines()[1]
    assert addresses(template.replace("/**", "/0/*"), bitcoind, run) == ours
    specter = json.loads(written("specter", layout, since_height=5))
    assert (specter["label"], specter["blockheight"], len(specter["devices"])) == ("kst_demo-7", 5, 3)
    assert addresses(specter["descriptor"].split("#")[0], bitcoind, run) == ours

    caravan = json.loads(written("caravan", layout))
    assert caravan["startingAddressIndex"] == first
    keys = [f"[{key['xfp']}{key['bip32Path'][1:]}]{key['xpub']}/0/*" for key in caravan["extendedPublicKeys"]]
    quorum = caravan["quorum"]
    assert quorum == {"requiredSigners": 2, "totalSigners": 3}
    assert addresses(f"wsh(sortedmulti({quorum['requiredSigners']},{','.join(keys)}))", bitcoind, run) == ours
    assert addresses(_of_coldcard(written("coldcard", layout)), bitcoind, run) == ours
    assert addresses(_of_policy(json.loads(written("bip388", layout))), bitcoind, run) == ours


def _of_coldcard(text: str) -> str:
    """As Coldcard and Sparrow read it: labels as they are, one colon a line."""
    fields = [re.fullmatch(r"([A-Za-z0-9]+): (.+)", line) for line in text.splitlines() if line]
    assert all(fields)
    assert all(line.count(":") <= 1 for line in text.splitlines())
    threshold = next(found[2] for found in fields if found[1] == "Policy").split(" of ")[0]
    assert [found[2] for found in fields if found[1] == "Format"] == ["P2WSH"]
    paths = [found[2] for found in fields if found[1] == "Derivation"]
    keys = [(found[1], found[2]) for found in fields if re.fullmatch("[0-9A-F]{8}", found[1])]
    origins = [f"[{xfp.lower()}{path[1:]}]{xpub}/0/*" for path, (xfp, xpub) in zip(paths, keys, strict=True)]
    return f"wsh(sortedmulti({threshold},{','.join(origins)}))"


def _of_policy(policy) -> str:
    text = policy["template"]
    for place, key in enumerate(policy["keys"]):
        text = text.replace(f"@{place}/**", f"{key}/0/*")
    return text


@pytest.mark.parametrize("layout", VAULTS)
def test_bsms_is_read_back(layout):
    text = written("bsms", layout)
    parsed = parse_bsms(text, network=REGTEST)
    ours = VAULTS[layout]
    assert parsed.derive(change=True, index=ours.position(4)).address == ours.derive(change=True, index=4).address
    by_embit = EmbitDescriptor.from_string(text.splitlines()[1].replace("/**", "/0/*")).derive(0)
    assert by_embit.address(EMBIT["regtest"]) == text.splitlines()[3]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("BSMS 1.0", "BSMS 2.0"),
        lambda text: text.replace("/0/*,/1/*", "No path restrictions"),
        lambda text: text.replace("/0/*,/1/*", "/7/*"),
        lambda text: text.replace("sortedmulti(2", "sortedmulti(1"),
        lambda text: text.replace(KEYS[0].fingerprint, "00000000").replace("bcrt1", "bcrt1q"),
        lambda text: text + "one line more\n",
        lambda text: text.replace("wsh(sortedmulti", "wsh(multi"),
    ],
)
def test_refuses_a_spoilt_bsms(spoil):
    with pytest.raises(InvalidInput):
        parse_bsms(spoil(written("bsms")), network=REGTEST)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "descriptor"])
def test_only_a_descriptor_says_a_fixed_key(kind):
    fixed = of_branch(7, MIXED)
    assert MIXED[1].text in written("descriptor", vault=fixed)
    with pytest.raises(InvalidInput, match="fixed keys"):
        written(kind, vault=fixed)


@pytest.mark.parametrize("label", ["", "x" * 21, "a#b", "a:b", "ü", "a\nb"])
def test_refuses_a_label_that_a_device_would_not_take(label):
    with pytest.raises(InvalidInput, match="label"):
        written("coldcard", label=label)


def test_refuses_a_kind_there_is_not():
    with pytest.raises(InvalidInput, match="format"):
        written("electrum")


def test_refuses_a_coldcard_file_that_the_device_would_refuse():
    twins = (KEYS[0], replace(KEYS[1], fingerprint=KEYS[0].fingerprint), KEYS[2])
    with pytest.raises(InvalidInput, match="fingerprint"):
        written("coldcard", vault=vault(keys=twins))
    deep = (replace(KEYS[0], path="/".join(["1"] * 12)), *KEYS[1:])
    with pytest.raises(InvalidInput, match="12 steps"):
        written("coldcard", vault=vault(keys=deep))
