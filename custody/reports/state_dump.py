"""The whole state in canonical JSON, for tests and auditors: equal databases give equal bytes.

Secrets are not in the database, so they are not in here. Amounts are strings of base units, bytes are hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.kernel.canonical import canonical_json
from custody.kernel.clock import rfc3339


def state_dump(session: Session) -> bytes:
    """RFC 8785 bytes of ``state``. Use a session that sees one moment (``reconciliation.books.still``)."""
    return canonical_json(state(session))


def state(session: Session) -> dict[str, Any]:
    """Ledger, queue, vaults, deposits, chain, audit head, breaks and alarms, each in a fixed order."""
    return {
        section: {name: _rows(session, statement) for name, statement in statements.items()}
        for section, statements in _SECTIONS.items()
    }


def _rows(session: Session, statement: str) -> list[dict[str, Any]]:
    found = session.execute(text(statement)).mappings()
    return [{name: _plain(value) for name, value in row.items()} for row in found]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(int(value))
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return value


_SECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "audit": {
        "head": "SELECT sequence, hash FROM audit_events ORDER BY sequence DESC LIMIT 1",
        "alarms": "SELECT kind, subject, step, why FROM alarms ORDER BY id",
    },
    "chain": {
        "tip": "SELECT chain, height, hash FROM scan_progress ORDER BY chain",
        "coins": "SELECT chain, vault_id, asset, count(*) AS unspent, sum(units) AS units FROM coins"
        " WHERE spent_by IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        "movements": "SELECT chain, vault_id, asset, direction, removed_at IS NOT NULL AS removed, count(*) AS lines,"
        " sum(units) AS units FROM movements GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
    },
    "clients": {
        "clients": "SELECT id, name, segregation, status, status_reason, opening FROM clients ORDER BY id",
    },
    "deposits": {
        "deposits": "SELECT id, chain, txid, position, vault_id, client_id, address_id, asset, units, state,"
        " occurrence, required_depth, height, block_hash, reason, unbacked FROM deposits ORDER BY id",
        "taken_up": "SELECT chain, change_id FROM deposit_progress ORDER BY chain",
    },
    "ledger": {
        "accounts": "SELECT kind, owner, pledge, asset, balance, version FROM ledger_accounts"
        " ORDER BY owner, asset, kind, pledge",
        "entries": "SELECT count(*) AS entries, coalesce(max(id), 0) AS last FROM journal_entries",
        "holds": "SELECT id, client, asset, units, ceiling, subject, state, settlements, settled_units FROM holds"
        " ORDER BY id",
    },
    "queue": {
        "intents": "SELECT digest, kind, client_id, requester, idempotency_key, state, not_after, not_before"
        " FROM intents ORDER BY digest",
        "approvals": "SELECT digest, approver, verdict, nonce, given_at FROM approvals ORDER BY id",
        "withdrawals": "SELECT id, digest, client_id, vault_id, chain, asset, units, max_fee_units, destination,"
        " hold_id, state, waiting_for, fee_units, txid FROM withdrawals ORDER BY id",
        "attempts": "SELECT id, withdrawal_id, sequence, chain, vault_id, inputs, txid, fee_units, weight, state,"
        " confirmed_height FROM attempts ORDER BY withdrawal_id, sequence",
        "reservations": "SELECT chain, claim, withdrawal_id FROM reservations ORDER BY chain, claim",
        "bundles": "SELECT id, attempt_id, keyset_id, digest, state, txid FROM bundles ORDER BY id",
        "answers": "SELECT bundle_id, cosigner, verdict FROM bundle_answers ORDER BY bundle_id, cosigner",
        "quarantined": "SELECT cosigner, reason FROM quarantined_cosigners ORDER BY cosigner",
        "outbox": "SELECT topic, count(*) AS waiting FROM outbox WHERE done_at IS NULL GROUP BY topic ORDER BY topic",
    },
    "reconciliation": {
        "breaks": "SELECT id, run_id, vault_id, asset, check_name, expected, found, detail FROM breaks ORDER BY id",
        "runs": "SELECT count(*) AS runs, max(height) AS height FROM reconciliation_runs",
    },
    "trust": {
        "roots": "SELECT version, hash FROM trust_roots ORDER BY version",
        "keysets": "SELECT id, chain, threshold, descriptor_hash FROM keysets ORDER BY id",
    },
    "vaults": {
        "vaults": "SELECT id, keyset_id, branch, chain, kind, frozen_reason, reconciled_height FROM vaults ORDER BY id",
        "members": "SELECT vault_id, client_id FROM vault_members ORDER BY vault_id, client_id",
        "addresses": "SELECT vault_id, change, state, count(*) AS addresses, max(index) AS highest FROM addresses"
        " GROUP BY vault_id, change, state ORDER BY vault_id, change, state",
    },
}
"""Section and name to the statement whose rows stand there."""
