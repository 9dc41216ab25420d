"""Ethereum without a node: addresses, Safe proxies, SafeTx hashes, signatures, calldata, logs and transactions.

Shared by the daemon and the cosigner, who installs it alone. Values in, values out: no socket, no file, no clock.
Addresses in values are EIP-55 texts, hashes are bytes. Amounts are integers in base units (wei, token units).
Every decoder takes exactly one form of what it reads: two different byte strings never mean the same thing here.
"""
