"""A keyset's Safes as text: one way to write it, and every other refused by name."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.ethereum.offline.deployments import FALLBACK_HANDLER, SAFE_L2
from custody.chains.ethereum.offline.descriptor import AccountKey, VaultText, parse_safe_descriptor, safe_descriptor
from custody.chains.ethereum.offline.network import NETWORKS
from custody.chains.ethereum.offline.proxy import SafeSetup
from custody.kernel.errors import InvalidInput
from tests.chains.ethereum.offline.builders import ANVIL, OWNERS, SETUP, addresses, secret

TEXT = safe_descriptor(SETUP)
FIRST, SECOND, THIRD = SETUP.owners
VAULT = VaultText(SETUP, ANVIL, "kst-main")
ACCOUNT = f"[d34db33f/44h/60h/0h/0/0]{OWNERS[0]}"
SEED = " ".join(["abandon"] * 11 + ["about"])


@settings(max_examples=60, deadline=None)
@given(st.lists(addresses, min_size=1, max_size=15, unique=True), st.data(), st.sampled_from(NETWORKS))
def test_what_is_written_is_read_back(owners, data, where):
    setup = SafeSetup.of(owners, data.draw(st.integers(1, len(owners))))
    assert parse_safe_descriptor(safe_descriptor(setup)) == setup
    vault = VaultText(setup, where, "kst-main/2")
    assert VaultText.parse(vault.text) == vault


def test_is_written_as_documented():
    assert f"safe(1.4.1,2,[{FIRST},{SECOND},{THIRD}])" == TEXT
    assert VAULT.text == checked(f"{TEXT}@eip155:31337/kst-main")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a Safe's descriptor"),
        (f" {TEXT}", "not a Safe's descriptor"),
        (f"{TEXT}\n", "not a Safe's descriptor"),
        (TEXT.replace(",0x", ", 0x"), "holds a blank"),
        (TEXT.upper(), "not a Safe's descriptor"),
        (f"{TEXT}#12345678", "not a Safe's descriptor"),
        ("wsh(sortedmulti(2,tpub,tpub))", "not a Safe's descriptor"),
        (TEXT.replace("1.4.1", "1.3.0"), "another release; accepted is 1.4.1"),
        (TEXT.replace("1.4.1,2", "1.4.1,02"), "how many must sign"),
        (TEXT.replace("1.4.1,2", "1.4.1,0"), "how many must sign"),
        (TEXT.replace("1.4.1,2", "1.4.1,-1"), "how many must sign"),
        (TEXT.replace("1.4.1,2", "1.4.1,4"), "accepted is 1 to 3"),
        ("safe(1.4.1,1,[])", "not an address"),
        (f"safe(1.4.1,2,[{SECOND},{FIRST},{THIRD}])", "not checksummed and ascending"),
        (f"safe(1.4.1,2,[{FIRST},{FIRST},{THIRD}])", "the same owner twice"),
        (TEXT.replace(FIRST, FIRST.lower()), "without its EIP-55 checksum"),
        (TEXT.replace(FIRST, FIRST.swapcase().replace("0X", "0x")), "wrong EIP-55 checksum"),
        (TEXT.replace(FIRST, "0x" + "00" * 20), "the zero address"),
        (TEXT.replace(FIRST, "0x" + "00" * 19 + "01"), "a reserved address"),
        (TEXT.replace(FIRST, SAFE_L2.address), "a contract that can sign nothing"),
        (TEXT.replace(FIRST, FALLBACK_HANDLER.address), "a contract that can sign nothing"),
        (TEXT.replace(FIRST, "vitalik.eth"), "a name"),
        (TEXT.replace(FIRST, secret("ann").hex()), "may be a private key"),
    ],
)
def test_refuses_any_other_descriptor(text, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        parse_safe_descriptor(text, field="keyset.descriptor")
    assert caught.value.field == "keyset.descriptor"
    assert secret("ann").hex() not in str(caught.value)


def test_refuses_any_other_account():
    assert AccountKey.parse(ACCOUNT).text == ACCOUNT
    assert AccountKey.parse(ACCOUNT.replace("0h/0/0]", "3h/0/7]")).path == "44h/60h/3h/0/7"
    for text, said in (
        (OWNERS[0], "no account with its origin"),
        (ACCOUNT.replace("d34db33f", "D34DB33F"), "a fingerprint is"),
        (ACCOUNT.replace("d34db33f", "d34db3"), "a fingerprint is"),
        (ACCOUNT.replace("h/", "'/"), "another path"),
        (ACCOUNT.replace("44h/60h/0h/0/0", "48h/1h/0h/2h"), "another path"),
        (ACCOUNT.replace("0h/0/0]", "0h/1/0]"), "another path"),
        (ACCOUNT.replace("0h/0/0]", "00h/0/0]"), "another path"),
        (ACCOUNT.replace("0h/0/0]", "0h/0/2147483648]"), "another path"),
        (ACCOUNT.lower(), "without its EIP-55 checksum"),
        (f"[d34db33f/44h/60h/0h/0/0]{SAFE_L2.address}", "a contract that can sign nothing"),
        (f"[d34db33f/44h/60h/0h/0/0]{'0x' + '00' * 20}", "the zero address"),
        (f"[d34db33f/44h/60h/0h/0/0]eip155:1:{OWNERS[0]}", "a chain's prefix"),
        (f"[d34db33f/44h/60h/0h/0/0]0x{secret('ann').hex()}", "may be a private key"),
        ("[d34db33f/48h/1h/0h/2h]tprv8ZgxMBicQKsPd", "an extended private key"),
        ("cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA", "a private key"),
        (SEED, "the words of a seed"),
    ):
        with pytest.raises(InvalidInput, match=said) as caught:
            AccountKey.parse(text, field="keyset.cosigners.ann")
        assert caught.value.field == "keyset.cosigners.ann"
        assert text[-20:] not in str(caught.value) or "EIP-55" in said or "contract" in said


def checked(body: str) -> str:
    """A text with a right checksum, whatever it says."""
    said = hashlib.sha256(b"custody/safe-vault-text/v1\0" + json.dumps(body).encode())
    return f"{body}#{said.hexdigest()[:8]}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT, "has no checksum"),
        (VAULT.text.split("#")[0], "has no checksum"),
        (VAULT.text.upper(), "a checksum is"),
        (VAULT.text + "0", "a checksum is"),
        (VAULT.text.replace("kst-main", "kst-mail"), "wrong checksum"),
        (VAULT.text.replace(",2,", ",3,"), "wrong checksum"),
        (checked(TEXT), "does not say where"),
        (checked(f"{TEXT}@eip155:31337"), "does not say where"),
        (checked(f"{TEXT}@anvil/kst-main"), "the chain by its name; accepted is eip155:31337"),
        (checked(f"{TEXT}@eip155:324/kst-main"), "zkSync Era is not served"),
        (checked(f"{TEXT}@eip155:31337/"), "not an id"),
        (checked(f"{TEXT}@eip155:31337/a b"), "not an id"),
        (checked(f"{TEXT.replace('1.4.1', '1.3.0')}@eip155:31337/kst-main"), "another release"),
    ],
)
def test_refuses_any_other_vaults_text(text, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        VaultText.parse(text, field="export.descriptor")
    assert (caught.value.field, VaultText.parse(VAULT.text)) == ("export.descriptor", VAULT)
