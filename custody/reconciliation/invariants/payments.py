"""I5, I6, I7 and I16: what was composed and signed is one payment per withdrawal, exactly what its intent says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.chains.registry import addressing, has_coins, spending
from custody.chains.spending import Effect, Terms
from custody.kernel.errors import CustodyError
from custody.reconciliation.invariants.chain import chains


def one_payment_each(session: Session) -> Iterator[str]:
    """I6: at most one attempt of a withdrawal is on the chain, and any two share a claim.

    Where the chain tells how a spend ended, what is completed has one that ended well at its own place.
    """
    yield from session.execute(_CONFIRMED_TWICE).scalars()
    yield from session.execute(_ENDED_TWICE).scalars()
    told = [chain for chain in chains(session) if not has_coins(chain)]
    yield from session.execute(_ENDED_WELL, {"told": told}).scalars()
    yield from session.execute(_DISJOINT).scalars()


def keysets_share_a_cosigner(session: Session) -> Iterator[str]:
    """I6: two quorums of a keyset have a cosigner in common (2m > n)."""
    yield from session.execute(_QUORUMS).scalars()


def payments_stay_in_their_vault(session: Session) -> Iterator[str]:
    """I5: every input of an attempt is a coin of the withdrawal's vault, and the vault is its client's."""
    yield from session.execute(_FOREIGN).scalars()


def payments_are_intents(session: Session) -> Iterator[str]:
    """I7: every attempt pays what its intent says to whom it says, and the rest is the vault's own change."""
    own = _change_scripts(session)
    for row in session.execute(_ATTEMPTS):
        try:
            yield from _differences(row, own)
        except CustodyError as error:
            yield f"attempt {row.id} cannot be read: {error}"


def fees_are_under_caps(session: Session, terms: Mapping[str, Terms]) -> Iterator[str]:
    """I16: the fee of every attempt is under its requester's ceiling, and under every cap of its chain's ``terms``."""
    for row in session.execute(_ATTEMPTS):
        if row.fee_units > row.max_fee_units:
            yield f"attempt {row.id} costs {row.fee_units}, more than its ceiling {row.max_fee_units}"
        if row.chain not in terms:
            continue
        try:
            terms[row.chain].check_fee(
                fee_units=int(row.fee_units),
                weight=spending(row.chain).read_final(bytes(row.final)).weight if row.final else row.weight,
                paid_units=int(row.units) if row.asset == addressing(row.chain).native.id else None,
                ceiling_units=int(row.max_fee_units),
            )
        except CustodyError as error:
            yield f"attempt {row.id}: {error}"


def _differences(row: Row[Any], own: dict[str, set[bytes]]) -> Iterator[str]:
    chain = spending(row.chain)
    effect = chain.payments_of(row.unsigned)
    yield from _wrong_payments(row, effect, own.get(row.vault_id, set()))
    if effect.claims != {item["claim"] for item in row.inputs} or effect.spend != row.txid:
        yield f"attempt {row.id} spends other coins than it names"
    if effect.fee_units != int(row.fee_units):
        yield f"attempt {row.id} costs another fee than it names"
    if row.final is None:
        return
    final = bytes(row.final)
    if chain.read_final(final).spend != row.txid or not chain.is_signed(row.unsigned, final):
        yield f"attempt {row.id}: what was signed is not what was composed"


def _wrong_payments(row: Row[Any], effect: Effect, own: set[bytes]) -> Iterator[str]:
    if not row.pays:
        yield from (f"attempt {row.id} gives its withdrawal up and pays somebody" for _ in effect.payments[:1])
        return
    request = row.document["request"]
    wanted = (request["destination"], int(request["amount"]), request["asset"])
    left = list(effect.payments)
    paying = next((payment for payment in left if (payment.address, payment.units, payment.asset) == wanted), None)
    if paying is None:
        yield f"attempt {row.id} does not pay what its intent says"
        return
    left.remove(paying)
    if any(payment.locator not in own for payment in left):
        yield f"attempt {row.id} pays somebody its intent does not name"


def _change_scripts(session: Session) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for row in session.execute(_CHANGE):
        found.setdefault(row.vault_id, set()).add(bytes(row.locator))
    return found


_ATTEMPTS: Final = text(
    """
    SELECT a.id, a.chain, a.vault_id, a.unsigned, a.inputs, a.final, a.txid, a.fee_units, a.weight, a.pays,
      w.units, w.asset, w.max_fee_units, i.document
    FROM attempts a JOIN withdrawals w ON w.id = a.withdrawal_id JOIN intents i ON i.digest = w.digest
    ORDER BY a.id
    """
)

_CHANGE: Final = text("SELECT vault_id, locator FROM addresses WHERE change AND state = 'issued'")

# What was taken back before anybody was given it may be composed again to the same bytes: that is one transaction.
_CONFIRMED_TWICE: Final = text(
    """
    SELECT 'withdrawal ' || a.withdrawal_id || ' is paid by ' || count(DISTINCT a.txid) || ' transactions'
    FROM attempts a
    WHERE EXISTS (SELECT FROM movements m WHERE m.chain = a.chain AND m.spent_by = a.txid AND m.removed_at IS NULL)
    GROUP BY a.withdrawal_id HAVING count(DISTINCT a.txid) > 1
    UNION ALL
    SELECT 'withdrawal ' || w.id || ' ended unpaid and is paid' FROM withdrawals w
    JOIN attempts a ON a.withdrawal_id = w.id
    WHERE w.state IN ('denied', 'rejected', 'expired', 'cancelled', 'failed') AND EXISTS (
      SELECT FROM movements m WHERE m.chain = a.chain AND m.spent_by = a.txid AND m.removed_at IS NULL)
      AND NOT EXISTS (SELECT FROM attempts b WHERE b.txid = a.txid AND b.withdrawal_id <> a.withdrawal_id
        AND b.state <> 'abandoned' AND a.state = 'abandoned')
    """
)

# A spend's bytes may name no withdrawal: given up by one, another may have asked for the same.
_ENDED_TWICE: Final = text(
    """
    WITH done AS (
      SELECT a.withdrawal_id, a.txid FROM attempts a
      WHERE (a.state <> 'abandoned' OR NOT EXISTS (
          SELECT FROM attempts b WHERE b.txid = a.txid AND b.state <> 'abandoned'))
        AND EXISTS (SELECT FROM outcomes o
          WHERE o.chain = a.chain AND o.spend = a.txid AND o.succeeded AND o.removed_at IS NULL)
      GROUP BY 1, 2)
    SELECT 'withdrawal ' || withdrawal_id || ' has ' || count(*) || ' spends that ended well' FROM done
    GROUP BY withdrawal_id HAVING count(*) > 1
    UNION ALL
    SELECT 'withdrawal ' || w.id || ' ended unpaid and its payment ended well' FROM withdrawals w
    JOIN done ON done.withdrawal_id = w.id
    WHERE w.state IN ('denied', 'rejected', 'expired', 'cancelled', 'failed')
      AND EXISTS (SELECT FROM attempts a WHERE a.withdrawal_id = w.id AND a.txid = done.txid AND a.pays)
    """
)

_ENDED_WELL: Final = text(
    """
    SELECT 'withdrawal ' || w.id || ' is completed and no spend of it ended well' FROM withdrawals w
    WHERE w.state = 'completed' AND w.chain = ANY(CAST(:told AS text[])) AND NOT EXISTS (
      SELECT FROM attempts a CROSS JOIN LATERAL jsonb_to_recordset(a.inputs) AS x (account text)
      JOIN addresses p ON p.vault_id = a.vault_id AND p.address = x.account
      JOIN outcomes o ON o.chain = a.chain AND o.spend = a.txid AND o.locator = p.locator
        AND o.succeeded AND o.removed_at IS NULL
      WHERE a.withdrawal_id = w.id AND a.vault_id = w.vault_id AND a.pays)
    """
)

_DISJOINT: Final = text(
    """
    SELECT 'attempts ' || a.id || ' and ' || b.id || ' of one withdrawal share no claim'
    FROM attempts a JOIN attempts b ON b.withdrawal_id = a.withdrawal_id AND b.sequence > a.sequence
    WHERE a.state <> 'abandoned' AND b.state <> 'abandoned' AND NOT EXISTS (
      SELECT FROM jsonb_to_recordset(a.inputs) AS x (claim text)
      JOIN jsonb_to_recordset(b.inputs) AS y (claim text) ON x.claim = y.claim)
    """
)

_QUORUMS: Final = text(
    """
    SELECT 'keyset ' || id || ': two quorums need not share a cosigner' FROM keysets
    WHERE 2 * threshold <= jsonb_array_length(document -> 'cosigners')
      OR threshold <> (document ->> 'threshold')::integer
    """
)

_FOREIGN: Final = text(
    """
    SELECT 'attempt ' || a.id || ' spends ' || x.claim || ', which is not its vault''s'
    FROM attempts a CROSS JOIN LATERAL jsonb_to_recordset(a.inputs) AS x (claim text, txid text, position integer)
    JOIN coins c ON c.chain = a.chain AND c.txid = x.txid AND c.position = x.position
    WHERE c.vault_id <> a.vault_id
    UNION ALL
    SELECT 'withdrawal ' || w.id || ' is paid out of a vault that is not its client''s' FROM withdrawals w
    WHERE NOT EXISTS (SELECT FROM vault_members m WHERE m.vault_id = w.vault_id AND m.client_id = w.client_id)
      OR EXISTS (SELECT FROM attempts a WHERE a.withdrawal_id = w.id AND a.vault_id <> w.vault_id)
    UNION ALL
    SELECT 'vault ' || v.id || ' is segregated and has several clients' FROM vaults v
    JOIN vault_members m ON m.vault_id = v.id WHERE v.kind = 'segregated' GROUP BY v.id HAVING count(*) > 1
    """
)
