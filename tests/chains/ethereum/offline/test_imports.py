"""What importing the package costs: no library of the daemon's, and little time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
HEAVY = (
    "web3",
    "eth_account",
    "eth_abi",
    "eth_utils",
    "safe_eth",
    "Crypto",
    "sqlalchemy",
    "celery",
    "redis",
    "pydantic",
)


def test_every_module_is_imported_without_the_daemons_libraries():
    names = [
        f"custody.chains.ethereum.offline.{path.stem}"
        for path in (ROOT / "custody/chains/ethereum/offline").glob("*.py")
    ]
    modules = [name.removesuffix(".__init__") for name in names]
    program = (
        f"import sys, {', '.join(sorted(modules))}, custody.chains.ethereum.addressing\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
    assert len(modules) > 20
