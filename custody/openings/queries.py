"""Which branch the next opening of a keyset may name."""

from __future__ import annotations

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.evidence.requests import ClientOpeningRequest
from custody.vaults import queries as vaults
from custody.vaults.model import POOL


def next_branch(session: Session, *, keyset: str) -> int:
    """The first branch above all that somebody has or has asked for."""
    opened = [vault.branch for vault in vaults.every(session) if vault.keyset == keyset]
    asked = [
        filed.intent.vault.branch
        for filed in intents.waiting(session)
        if filed.intent.kind == ClientOpeningRequest.kind and filed.intent.vault.keyset == keyset
    ]
    return max(opened + asked, default=-1) + 1


def pools(session: Session, *, keyset: str) -> list[int]:
    """The branches of a keyset that omnibus clients share, lowest first."""
    return sorted(vault.branch for vault in vaults.every(session) if vault.keyset == keyset and vault.kind == POOL)


def branch_for(session: Session, *, keyset: str, segregation: str, after: int | None) -> tuple[int, int]:
    """A branch for one more client, and the first that is still free after it.

    ``after`` is what the call before answered, where several are asked for together. An omnibus client shares the pool
    there is, else those asked for together share the first free branch.
    """
    free = next_branch(session, keyset=keyset) if after is None else after
    if segregation == "segregated":
        return free, free + 1
    shared = pools(session, keyset=keyset)
    return (shared[0], free) if shared else (free, free)
