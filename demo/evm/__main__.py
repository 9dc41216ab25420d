"""``python -m demo.evm URL``: put the contracts and an example token on a development node that somebody else started.

Done twice, it changes nothing. A node that is not a development node refuses, and nothing is sent to it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from custody.kernel.errors import CustodyError
from demo.evm.contracts import EVERYTHING, place, token
from demo.evm.node import EvmNode


def main(arguments: Sequence[str]) -> int:
    """Print what is where; 2 and one line when it cannot be done."""
    if len(arguments) != 1 or not arguments[0].startswith("http://"):
        print("error: url: accepted is one http:// address of a development node", file=sys.stderr)
        return 2
    node = EvmNode(arguments[0])
    try:
        node.open_faucet()
        place(node)
        for contract in EVERYTHING:
            print(f"{contract.address}  {contract.name}")
        print(f"{token(node, 'TUSD', 6)}  TUSD, a token with 6 decimals")
    except CustodyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError:
        print("error: anvil: nobody answers there", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
