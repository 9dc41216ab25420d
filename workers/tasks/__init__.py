"""Every task, by room. Bodies make one domain call; what is longer belongs in an operation."""

from workers.tasks import addresses, assets, chain, intents, jobs, notices, reconciliation, signing, trust, withdrawals

__all__ = [
    "addresses",
    "assets",
    "chain",
    "intents",
    "jobs",
    "notices",
    "reconciliation",
    "signing",
    "trust",
    "withdrawals",
]
