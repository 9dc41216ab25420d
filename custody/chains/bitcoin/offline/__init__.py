"""Bitcoin without a node: keys, descriptors, addresses, transactions and PSBTs.

Shared by the daemon and the cosigner, who installs it alone. Values in, values out: no socket, no file, no clock.
Amounts are integers in satoshi and say so in their names (``_sat``).
"""
