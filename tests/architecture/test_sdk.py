"""Everything the Python client can reach by imports is on a short list: an exchange runs it beside its own keys."""

from __future__ import annotations

import sys

from tests.architecture.test_cosigner import ON_THE_WAY, reachable

OURS = (
    "custody.sdk", "custody.kernel", "custody.evidence", "custody.chains.deriving",
    "custody.chains.bitcoin.offline", "custody.chains.ethereum.offline", "policies",
)  # fmt: skip
OTHERS = {"bdkpython", "bitcoin", "coincurve", "cryptography", "embit", "httpx2", "rfc8785", "sha3", "tzdata", "yaml"}


def test_reaches_only_what_proves_and_derives() -> None:
    strangers = [
        module
        for module in reachable("sdk")[0]
        if module not in ON_THE_WAY and not any(module == room or module.startswith(f"{room}.") for room in OURS)
    ]
    assert strangers == []


def test_reaches_no_library_of_the_daemons() -> None:
    assert reachable("sdk")[1] - set(sys.stdlib_module_names) - OTHERS == set()
