"""The contracts of mainnet at their mainnet addresses, on a node of ours, and the example token.

Their code comes out of the installed safe-eth-py, as files: importing that package takes seconds, and nothing here
needs it. What makes tokens imports eth_abi and eth_utils when it is first called, for the same reason.

Safe's contracts go through Safe's own deterministic deployer, so constructors run and the addresses come out as they
do on every chain; each one's code hash is compared with what was published before anybody uses it. Safe's other
singleton, the one without the L2 events, is not among the package's files and is not placed.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.child import ServerFailed
from demo.evm.node import FAUCET, EvmNode
from demo.find import MissingComponent

# Safe's deployer on mainnet has the same code as the deployer every such node is born with.
SAFE_DEPLOYER = "0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7"
BORN_DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
_MULTICALL_SOURCE = "multicall.py"


@dataclass(frozen=True, slots=True)
class Placed:
    """One contract: the file its code comes from, its mainnet address and the keccak of the code there."""

    name: str
    file: str
    address: str
    code_hash: str


SAFE_L2 = Placed(
    "SafeL2",
    "Safe_V1_4_1.json",
    "0x29fcB43b46531BcA003ddC8FCB67FFE91900C762",
    "0xb1f926978a0f44a2c0ec8fe822418ae969bd8c3f18d61e5103100339894f81ff",
)
PROXY_FACTORY = Placed(
    "SafeProxyFactory",
    "ProxyFactory_V1_4_1.json",
    "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67",
    "0x50c3cdc4074750a7a974204a716c999edd37482f907608d960b2b025ee0b3317",
)
FALLBACK_HANDLER = Placed(
    "CompatibilityFallbackHandler",
    "CompatibilityFallbackHandler_V1_4_1.json",
    "0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99",
    "0x7c6007a5d711cea8dfd5d91f5940ec29c7f200fe511eb1fc1397b367af3c42f9",
)
MULTI_SEND = Placed(
    "MultiSend",
    "MultiSend_V1_4_1.json",
    "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526",
    "0x0e4f7fc66550a322d1e7688e181b75e217e662a4f3f4d6a29b22bc61217c4b77",
)
MULTI_SEND_CALL_ONLY = Placed(
    "MultiSendCallOnly",
    "MultiSendCallOnly_V1_4_1.json",
    "0x9641d764fc13c8B624c04430C7356C1C7C8102e2",
    "0xecd5bd14a08c5d2122379900b2f272bdf107a7e92423c10dd5fe3254386c9939",
)
SIMULATE_TX_ACCESSOR = Placed(
    "SimulateTxAccessor",
    "SimulateTxAccessor_V1_4_1.json",
    "0x3d4BA2E0884aa488718476ca2FB8Efc291A46199",
    "0x91f82615581fc73b190b83d72e883608b25e392f72322035df1b13d51766cf8d",
)
MULTICALL3 = Placed(
    "Multicall3",
    _MULTICALL_SOURCE,
    "0xcA11bde05977b3631167028862bE2a173976CA11",
    "0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891",
)
SAFE_SET = (SAFE_L2, PROXY_FACTORY, FALLBACK_HANDLER, MULTI_SEND, MULTI_SEND_CALL_ONLY, SIMULATE_TX_ACCESSOR)
EVERYTHING = (*SAFE_SET, MULTICALL3)


def place(node: EvmNode) -> None:
    """Put every contract of ``EVERYTHING`` on the chain; what is there already stays.

    Raises ``MissingComponent`` without safe-eth-py and ``ServerFailed`` when the code at an address is not the
    published one.
    """
    if not has_code(node, SAFE_DEPLOYER):
        node.rpc("anvil_setCode", SAFE_DEPLOYER, node.rpc("eth_getCode", BORN_DEPLOYER, "latest"))
    for contract in SAFE_SET:
        if not has_code(node, contract.address):
            node.transact(SAFE_DEPLOYER, data=bytes(32) + bytecode(contract.file))
    if not has_code(node, MULTICALL3.address):
        # Its mainnet address belongs to a key, so its own constructor cannot be run there.
        runtime = node.rpc("eth_call", {"from": FAUCET, "data": f"0x{bytecode(MULTICALL3.file).hex()}"}, "latest")
        node.rpc("anvil_setCode", MULTICALL3.address, runtime)
    for contract in EVERYTHING:
        found = code_hash(node, contract.address)
        if found != contract.code_hash:
            raise ServerFailed(f"{contract.name} at {contract.address} has code {found}", field=node.name)


def deploy(node: EvmNode, creation_code: bytes, *, salt: int = 0) -> str:
    """Make a contract through the deterministic deployer and return its address; made before, the same address.

    ``creation_code`` ends with the constructor's encoded arguments. Another ``salt`` makes another copy of it.
    """
    address = create2_address(creation_code, salt=salt)
    if not has_code(node, address):
        node.transact(SAFE_DEPLOYER, data=salt.to_bytes(32, "big") + creation_code)
    return address


def token(
    node: EvmNode, symbol: str, decimals: int, *, holder: str = FAUCET, supply: int = 10**30, salt: int = 0
) -> str:
    """The example ERC-20 of safe-eth-py; ``holder`` has all of ``supply``, in base units. Returns its address."""
    arguments = encode(["string", "string", "uint8", "address", "uint256"], [symbol, symbol, decimals, holder, supply])
    return deploy(node, bytecode("ERC20TestToken.json") + arguments, salt=salt)


def give_token(node: EvmNode, token_address: str, to: str, amount: int) -> dict[str, Any]:
    """Send ``amount`` base units of a token the faucet holds; returns the receipt."""
    data = bytes.fromhex("a9059cbb") + encode(["address", "uint256"], [to, amount])
    return node.transact(token_address, data=data)


def pay_by_contract(node: EvmNode, payments: Mapping[str, int]) -> dict[str, Any]:
    """Pay several addresses in wei by one call of Multicall3: none of it is in a list of transactions."""
    calls = [(to, False, amount_wei, b"") for to, amount_wei in payments.items()]
    data = bytes.fromhex("174dea71") + encode(["(address,bool,uint256,bytes)[]"], [calls])
    return node.transact(MULTICALL3.address, sum(payments.values()), data)


def token_balance(node: EvmNode, token_address: str, holder: str) -> int:
    """What ``balanceOf`` answers, in base units."""
    data = bytes.fromhex("70a08231") + encode(["address"], [holder])
    return int(node.rpc("eth_call", {"to": token_address, "data": f"0x{data.hex()}"}, "latest"), 16)


def bytecode(file: str) -> bytes:
    """The creation code in one of safe-eth-py's contract files. Raises ``MissingComponent`` without the package."""
    path = package_files() / file
    if file == _MULTICALL_SOURCE:
        code: bytes = runpy.run_path(str(path))["multicall_v3_bytecode"]
        return code
    return bytes.fromhex(_read(path)["bytecode"].removeprefix("0x"))


def abi(file: str) -> Sequence[dict[str, Any]]:
    """The interface in one of safe-eth-py's contract files."""
    found: Sequence[dict[str, Any]] = _read(package_files() / file)["abi"]
    return found


def package_files() -> Path:
    """The folder of safe-eth-py's contract files; the package is found and not imported."""
    spec = importlib.util.find_spec("safe_eth")
    if spec is None or spec.origin is None:
        raise MissingComponent("the package safe-eth-py is not installed (run make .venv/.stamp)", field="safe")
    return Path(spec.origin).parent / "eth" / "contracts" / "abis"


def has_code(node: EvmNode, address: str) -> bool:
    """Whether there is a contract at ``address``."""
    return bool(node.rpc("eth_getCode", address, "latest") != "0x")


def code_hash(node: EvmNode, address: str) -> str:
    """The keccak of the code at ``address``, as the state trie has it."""
    found: str = node.rpc("eth_getProof", address, [], "latest")["codeHash"]
    return found


def create2_address(creation_code: bytes, *, salt: int = 0) -> str:
    """Where the deterministic deployer makes a contract (EIP-1014), with its checksum."""
    from eth_utils.address import to_checksum_address
    from eth_utils.crypto import keccak

    preimage = b"\xff" + bytes.fromhex(SAFE_DEPLOYER[2:]) + salt.to_bytes(32, "big") + keccak(creation_code)
    return to_checksum_address(keccak(preimage)[-20:])


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """ABI-encode values."""
    from eth_abi.abi import encode as abi_encode

    return abi_encode(types, values)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
