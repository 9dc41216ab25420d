"""The contracts a Safe of ours stands on, pinned by address and by the keccak of their runtime code.

Addresses and code hashes of Safe contracts are those of github.com/safe-global/safe-deployments (canonical, 1.4.1);
Multicall3 is github.com/mds1/multicall3; the CREATE2 deployer is github.com/Arachnid/deterministic-deployment-proxy.
They are the same on every network in ``network.NETWORKS``. An address alone proves nothing: a network's owner can put
other code there, so the code hash is read from the chain before an address is handed out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.address import address_bytes
from custody.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Contract:
    """One pinned contract."""

    name: str
    version: str
    address: str
    code_hash: bytes
    """keccak of the runtime code, as ``EXTCODEHASH`` gives it."""

    @property
    def raw(self) -> bytes:
        """The 20 bytes of its address."""
        return address_bytes(self.address)


def _pin(name: str, address: str, code_hash: str, *, version: str = "1.4.1") -> Contract:
    return Contract(name, version, address, bytes.fromhex(code_hash))


SAFE_L2: Final = _pin(
    "SafeL2",
    "0x29fcB43b46531BcA003ddC8FCB67FFE91900C762",
    "b1f926978a0f44a2c0ec8fe822418ae969bd8c3f18d61e5103100339894f81ff",
)
"""The singleton of every Safe of ours: Safe with a log of what it executes."""

SAFE: Final = _pin(
    "Safe",
    "0x41675C099F32341bf84BFc5382aF534df5C7461a",
    "1fe2df852ba3299d6534ef416eefa406e56ced995bca886ab7a553e6d0c5e1c4",
)
"""The singleton without that log. Known so that it can be named; ours never use it."""

PROXY_FACTORY: Final = _pin(
    "SafeProxyFactory",
    "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67",
    "50c3cdc4074750a7a974204a716c999edd37482f907608d960b2b025ee0b3317",
)
FALLBACK_HANDLER: Final = _pin(
    "CompatibilityFallbackHandler",
    "0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99",
    "7c6007a5d711cea8dfd5d91f5940ec29c7f200fe511eb1fc1397b367af3c42f9",
)
MULTI_SEND_CALL_ONLY: Final = _pin(
    "MultiSendCallOnly",
    "0x9641d764fc13c8B624c04430C7356C1C7C8102e2",
    "ecd5bd14a08c5d2122379900b2f272bdf107a7e92423c10dd5fe3254386c9939",
)
"""The only contract a Safe of ours ever delegates to: it can call, never delegate further."""

MULTI_SEND: Final = _pin(
    "MultiSend",
    "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526",
    "0e4f7fc66550a322d1e7688e181b75e217e662a4f3f4d6a29b22bc61217c4b77",
)
"""Like it, but it can delegate further: refused by name."""

SIMULATE_TX_ACCESSOR: Final = _pin(
    "SimulateTxAccessor",
    "0x3d4BA2E0884aa488718476ca2FB8Efc291A46199",
    "91f82615581fc73b190b83d72e883608b25e392f72322035df1b13d51766cf8d",
)
MULTICALL3: Final = _pin(
    "Multicall3",
    "0xcA11bde05977b3631167028862bE2a173976CA11",
    "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891",
    version="3",
)
CREATE2_DEPLOYER: Final = _pin(
    "deterministic deployment proxy",
    "0x4e59b44847b379578588920cA78FbF26c0B4956C",
    "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989",
    version="1",
)
SAFE_SINGLETON_FACTORY: Final = _pin(
    "Safe singleton factory",
    "0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7",
    "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989",
    version="1",
)
"""Deployed the Safe contracts, from the same code as the deterministic deployment proxy."""

NEEDED: Final = (SAFE_L2, PROXY_FACTORY, FALLBACK_HANDLER, MULTI_SEND_CALL_ONLY)
"""What must stand on a network, with the code pinned, before any address there is handed out."""

PINNED: Final = (
    *NEEDED, SAFE, MULTI_SEND, SIMULATE_TX_ACCESSOR, MULTICALL3, CREATE2_DEPLOYER, SAFE_SINGLETON_FACTORY,
)  # fmt: skip

PROXY_CREATION_CODE_HASH: Final = bytes.fromhex("1856e0ee08399d74e0ea0b03adca210aeade6f748969ac023cdcb4dd62dcaf5f")
"""keccak of what ``PROXY_FACTORY.proxyCreationCode()`` returns, 486 bytes."""

PROXY_CODE_HASH: Final = bytes.fromhex("d7d408ebcd99b2b70be43e20253d6d92a8ea8fab29bd3be7f55b10032331fb4c")
"""keccak of the runtime code of a proxy made by ``PROXY_FACTORY``: what stands at a Safe of ours once deployed."""

PROXY_INIT_CODE_HASHES: Final = {
    SAFE_L2.address: bytes.fromhex("e298282cefe913ab5d282047161268a8222e4bd4ed106300c547894bbefd31ee"),
    SAFE.address: bytes.fromhex("76733d705f71b79841c0ee960a0ca880f779cde7ef446c989e6d23efc0a4adfb"),
}
"""Singleton to keccak of the proxy's creation code followed by the singleton as a word: the third part of CREATE2."""

_NAMED_ONLY: Final = {
    "0xd9Db270c1B5E3Bd161E8c8503c55cEABeE709552": ("GnosisSafe", "1.3.0"),
    "0x69f4D1788e39c87893C980c06EdF4b7f686e2938": ("GnosisSafe", "1.3.0"),
    "0xB00ce5CCcdEf57e539ddcEd01DF43a13855d9910": ("GnosisSafe", "1.3.0 zkSync"),
    "0x3E5c63644E683549055b9Be8653de26E0B4CD36E": ("GnosisSafeL2", "1.3.0"),
    "0xfb1bffC9d739B8D520DaF37dF666da4C687191EA": ("GnosisSafeL2", "1.3.0"),
    "0x1727c2c531cf966f902E5927b98490fDFb3b2b70": ("GnosisSafeL2", "1.3.0 zkSync"),
    "0xa6B71E26C5e0845f74c812102Ca7114b6a896AB2": ("GnosisSafeProxyFactory", "1.3.0"),
    "0xC22834581EbC8527d974F8a1c97E1bEA4EF910BC": ("GnosisSafeProxyFactory", "1.3.0"),
    "0xDAec33641865E4651fB43181C6DB6f7232Ee91c2": ("GnosisSafeProxyFactory", "1.3.0 zkSync"),
    "0xf48f2B2d2a534e402487b3ee7C18c33Aec0Fe5e4": ("CompatibilityFallbackHandler", "1.3.0"),
    "0x017062a1dE2FE6b99BE3d9d37841FeD19F573804": ("CompatibilityFallbackHandler", "1.3.0"),
    "0x2f870a80647BbC554F3a0EBD093f11B4d2a7492A": ("CompatibilityFallbackHandler", "1.3.0 zkSync"),
    "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761": ("MultiSend", "1.3.0"),
    "0x998739BFdAAdde7C933B942a68053933098f9EDa": ("MultiSend", "1.3.0"),
    "0x0dFcccB95225ffB03c6FBB2559B530C2B7C8A912": ("MultiSend", "1.3.0 zkSync"),
    "0x40A2aCCbd92BCA938b02010E17A5b8929b49130D": ("MultiSendCallOnly", "1.3.0"),
    "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B": ("MultiSendCallOnly", "1.3.0"),
    "0xf220D3b4DFb23C4ade8C88E526C1353AbAcbC38F": ("MultiSendCallOnly", "1.3.0 zkSync"),
    "0xC35F063962328aC65cED5D4c3fC5dEf8dec68dFa": ("Safe", "1.4.1 zkSync"),
    "0x610fcA2e0279Fa1F8C00c8c2F71dF522AD469380": ("SafeL2", "1.4.1 zkSync"),
    "0xc329D02fd8CB2fc13aa919005aF46320794a8629": ("SafeProxyFactory", "1.4.1 zkSync"),
    "0x9301E98DD367135f21bdF66f342A249c9D5F9069": ("CompatibilityFallbackHandler", "1.4.1 zkSync"),
    "0x309D0B190FeCCa8e1D5D8309a16F7e3CB133E885": ("MultiSend", "1.4.1 zkSync"),
    "0x0408EF011960d02349d50286D20531229BCef773": ("MultiSendCallOnly", "1.4.1 zkSync"),
    "0x526643F69b81B008F46d95CD5ced5eC0edFFDaC6": ("SafeMigration", "1.4.1"),
    "0x817756C6c555A94BCEE39eB5a102AbC1678b09A7": ("SafeMigration", "1.4.1 zkSync"),
    "0xBD89A1CE4DDe368FFAB0eC35506eEcE0b1fFdc54": ("SafeToL2Setup", "1.4.1"),
    "0x199A9df0224031c20Cc27083A4164c9c8F1Bcb39": ("SafeToL2Setup", "1.4.1 zkSync"),
    "0x9b35Af71d77eaf8d7e40252370304687390A1A52": ("CreateCall", "1.4.1"),
    "0xd53cd0aB83D845Ac265BE939c57F53AD838012c9": ("SignMessageLib", "1.4.1"),
    "0xfF83F6335d8930cBad1c0D439A841f01888D9f69": ("SafeToL2Migration", "1.4.1"),
}
_BY_ADDRESS: Final = {contract.address: contract for contract in PINNED}


def pinned(address: str) -> Contract | None:
    """The contract pinned at this checksummed address."""
    return _BY_ADDRESS.get(address)


def known_name(address: str) -> str | None:
    """What Safe or tool contract an address is known as, pinned or not: a word for a refusal, never a permission."""
    contract = pinned(address)
    if contract is not None:
        return f"{contract.name} {contract.version}"
    named = _NAMED_ONLY.get(address)
    return " ".join(named) if named else None


def check_code(contract: Contract, code_hash: bytes | None) -> None:
    """Raise ``InvalidInput`` unless the code found at the contract's address is the one pinned.

    ``code_hash`` is the keccak of the code that the chain has there, ``None`` where it has none.
    """
    if code_hash is None:
        raise InvalidInput(f"{contract.name} {contract.version} is not deployed at its address", field="network")
    if code_hash != contract.code_hash:
        raise InvalidInput(f"other code than {contract.name} {contract.version} stands at its address", field="network")
