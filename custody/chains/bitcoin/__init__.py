"""Bitcoin: descriptors, transactions and PSBTs (``offline``), and the node that knows the chain."""
