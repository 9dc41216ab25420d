"""What this program signed, refused and saw, in a file of its own: written and synced before a signature leaves.

A crash therefore never forgets a signature, and two processes of one keyholder never sign past each other: reads,
verdict and record stand in one ``exclusive`` transaction. Nothing is ever updated or deleted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from custody.cosigner import journal
from custody.cosigner.journal import JournalEntry
from custody.cosigner.lineage import PinnedRoot
from custody.cosigner.remembered import Claim, KnownOpening, PaidIntent, SignedTransaction
from custody.evidence.bundle import Refusal
from custody.evidence.intents import VaultName
from custody.evidence.status import SignedStatus
from custody.kernel.canonical import canonical_json
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import Conflict, InvalidInput, Refused

# Columns keep the names of the first chain: txid is a spend's id, outpoint a claim.
_TABLES: Final = {
    "journal": "place INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,"
    " hash TEXT NOT NULL",
    "pinned": "one INTEGER PRIMARY KEY CHECK (one = 1), hash TEXT NOT NULL, at TEXT NOT NULL",
    "versions": "version INTEGER PRIMARY KEY, hash TEXT NOT NULL, at TEXT NOT NULL",
    "statuses": "service TEXT NOT NULL, number INTEGER NOT NULL, message TEXT NOT NULL, at TEXT NOT NULL,"
    " PRIMARY KEY (service, number)",
    "signed": "txid TEXT PRIMARY KEY, bundle TEXT NOT NULL, attempt TEXT NOT NULL, at TEXT NOT NULL,"
    " body TEXT NOT NULL, answer TEXT NOT NULL",
    "signed_intents": "digest TEXT NOT NULL, txid TEXT NOT NULL REFERENCES signed, PRIMARY KEY (digest, txid)",
    "signed_coins": "outpoint TEXT NOT NULL, txid TEXT NOT NULL REFERENCES signed, PRIMARY KEY (outpoint, txid)",
    "requests": "request_digest TEXT PRIMARY KEY, digest TEXT NOT NULL",
    "openings": "digest TEXT PRIMARY KEY, client TEXT NOT NULL, segregation TEXT NOT NULL, vault TEXT NOT NULL",
    "seen": "digest TEXT PRIMARY KEY, at TEXT NOT NULL",
    "nonces": "approver TEXT NOT NULL, nonce TEXT NOT NULL, statement TEXT NOT NULL, PRIMARY KEY (approver, nonce)",
    "refusals": "bundle_digest TEXT PRIMARY KEY, txid TEXT, body TEXT NOT NULL, signature TEXT NOT NULL, intents TEXT",
}
_LATER: Final = {("refusals", "intents"): "TEXT"}
"""Columns that files of older programs lack, added when such a file is opened. Their rows hold nothing there."""


class MemoryMissing(Refused):
    """There is no memory where one was: without it, nothing may be signed."""

    code = "memory-missing"


class OtherRootPinned(Conflict):
    """Another trust root is pinned already; a pin is never replaced."""

    code = "other-root-pinned"


class Memory:
    """The file, opened. Implements ``MemoryView``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, path: Path) -> Memory:
        """Make an empty memory. Raises ``InvalidInput`` when there is one."""
        if path.exists():
            raise InvalidInput("there is a memory already", field="home")
        path.touch(mode=0o600)
        connection = _connect(path)
        for statement in _schema():
            connection.execute(statement)
        return cls(connection)

    @classmethod
    def open(cls, path: Path) -> Memory:
        """Open the memory. Raises ``MemoryMissing``: a fresh one would have forgotten what was signed."""
        if not path.is_file() or not path.stat().st_size:
            raise MemoryMissing("is gone; nothing may be signed without what was signed before", field="memory")
        memory = cls(_connect(path))
        memory._grow()
        return memory

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One transaction: nobody else reads to write meanwhile, and all of it is on disk at the end or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def pin(self, root_hash: str, *, now: datetime) -> None:
        """Pin a trust root for good; the same again is fine. Raises ``OtherRootPinned``."""
        with self.exclusive():
            pinned = self.pinned()
            if pinned is None:
                self._insert("pinned", one=1, hash=root_hash, at=rfc3339(now))
                self.note(kind="pinned", body={"trust_root": root_hash}, now=now)
            elif pinned.hash != root_hash:
                raise OtherRootPinned("another trust root is pinned already", field="trust_root")

    def pinned(self) -> PinnedRoot | None:
        """The newest version of the trust root that was walked to, or the first; ``None`` before the ceremony."""
        row = self._row("SELECT hash, at, version FROM versions ORDER BY version DESC LIMIT 1")
        row = row or self._row("SELECT hash, at, 1 FROM pinned")
        return PinnedRoot(row[0], parse_rfc3339(row[1], field="pinned.at"), row[2]) if row else None

    def advance(self, steps: Iterable[tuple[int, str]], *, now: datetime) -> None:
        """Pin later versions of the trust root (number and hash), each for good. Inside ``exclusive``.

        Raises ``OtherRootPinned`` where another root of that version is pinned.
        """
        for version, root_hash in steps:
            present = self._row("SELECT hash FROM versions WHERE version = ?", version)
            if present is None:
                self._insert("versions", version=version, hash=root_hash, at=rfc3339(now))
                self.note(kind="advanced", body={"version": version, "trust_root": root_hash}, now=now)
            elif present[0] != root_hash:
                raise OtherRootPinned(f"another version {version} is pinned already", field="trust_root")

    def newest_status(self, service: str) -> tuple[int, str] | None:
        """Number and message (hex) of the newest status statement of this service that was seen here."""
        row = self._row("SELECT number, message FROM statuses WHERE service = ? ORDER BY number DESC LIMIT 1", service)
        return (row[0], row[1]) if row else None

    def note_status(self, signed: SignedStatus, *, now: datetime) -> None:
        """Remember a statement that was proved, where it is newer than any seen. Inside ``exclusive``."""
        newest = self.newest_status(signed.service)
        if newest is None or newest[0] < signed.status.number:
            message = signed.status.message.hex()
            self._insert(
                "statuses", service=signed.service, number=signed.status.number, message=message, at=rfc3339(now)
            )

    def note(self, *, kind: str, body: dict[str, Any], now: datetime) -> None:
        """Append to the log."""
        journal.append(self._connection, kind=kind, body=body, at=now)

    def note_seen(self, digests: Iterable[str], *, now: datetime) -> None:
        """Remember when intents were first seen; delays are counted from then."""
        with self.exclusive():
            for digest in digests:
                if self.first_seen(digest) is None:
                    self._insert("seen", digest=digest, at=rfc3339(now))

    def record_signature(
        self,
        signed: SignedTransaction,
        *,
        openings: Iterable[KnownOpening],
        nonces: Iterable[tuple[str, str, str]],
        answer: str,
    ) -> None:
        """Remember a signature and the answer that carries it. Inside ``exclusive``; before the answer leaves."""
        body = _write_signed(signed)
        self._insert(
            "signed",
            txid=signed.spend,
            bundle=signed.bundle,
            attempt=signed.attempt,
            at=rfc3339(signed.at),
            body=canonical_json(body).decode(),
            answer=answer,
        )
        for intent in signed.intents:
            for digest in intent.digests:
                self._insert("signed_intents", digest=digest, txid=signed.spend)
            self._insert_new("requests", request_digest=intent.request_digest, digest=intent.digest)
        for claim in signed.claims:
            self._insert("signed_coins", outpoint=claim, txid=signed.spend)
        for opening in openings:
            self._insert_new(
                "openings",
                digest=opening.digest,
                client=opening.client,
                segregation=opening.segregation,
                vault=str(opening.vault),
            )
        for approver, nonce, statement in nonces:
            self._insert_new("nonces", approver=approver, nonce=nonce, statement=statement)
        self.note(kind="signed", body=body, now=signed.at)

    def record_refusal(self, refusal: Refusal, *, signature: str, spend: str | None, intents: Collection[str]) -> None:
        """Remember a signed refusal, and the spend it keeps from ever being signed for these intents (digests).

        Inside ``exclusive``.
        """
        body = refusal.to_json()
        refused = sorted(intents)
        self._insert(
            "refusals",
            bundle_digest=refusal.bundle_digest,
            txid=spend,
            body=canonical_json(body).decode(),
            signature=signature,
            intents=canonical_json(refused).decode(),
        )
        self.note(kind="refused", body={**body, "txid": spend, "intents": refused}, now=refusal.at)

    def answer_of(self, spend: str) -> str | None:
        """The answer with our signatures that was made for this spend."""
        row = self._row("SELECT answer FROM signed WHERE txid = ?", spend)
        return row[0] if row else None

    def refusal_of(self, bundle_digest: str) -> tuple[Refusal, str] | None:
        """The refusal signed for exactly this bundle, and its signature."""
        row = self._row("SELECT body, signature FROM refusals WHERE bundle_digest = ?", bundle_digest)
        return (Refusal.parse(json.loads(row[0])), row[1]) if row else None

    def log(self) -> list[JournalEntry]:
        """Everything this program did, checked. Raises ``JournalBroken``."""
        return list(journal.entries(self._connection))

    def openings(self) -> list[KnownOpening]:
        """Every opening accepted before."""
        rows = self._connection.execute("SELECT client, segregation, vault, digest FROM openings")
        return [KnownOpening(row[0], row[1], VaultName.parse(row[2], field="vault"), row[3]) for row in rows]

    def signed_for_intent(self, digest: str) -> list[SignedTransaction]:
        """Every spend signed that pays the intent with this digest, or gives it up."""
        return self._signed("SELECT body FROM signed JOIN signed_intents USING (txid) WHERE digest = ?", digest)

    def signed_with_claim(self, claim: Claim) -> list[SignedTransaction]:
        """Every spend signed that takes this claim."""
        return self._signed("SELECT body FROM signed JOIN signed_coins USING (txid) WHERE outpoint = ?", claim)

    def signed_since(self, moment: datetime) -> list[SignedTransaction]:
        """Every spend signed at or after ``moment``."""
        return self._signed("SELECT body FROM signed WHERE at >= ? ORDER BY at", rfc3339(moment))

    def signed_bundle(self, bundle: str, attempt: str) -> SignedTransaction | None:
        """The spend signed under this bundle id or attempt."""
        found = self._signed("SELECT body FROM signed WHERE bundle = ? OR attempt = ?", bundle, attempt)
        return found[0] if found else None

    def intent_of_request(self, request_digest: str) -> str | None:
        """The intent under which this signed request was paid before."""
        row = self._row("SELECT digest FROM requests WHERE request_digest = ?", request_digest)
        return row[0] if row else None

    def first_seen(self, digest: str) -> datetime | None:
        """When this program first saw the intent's proof."""
        row = self._row("SELECT at FROM seen WHERE digest = ?", digest)
        return parse_rfc3339(row[0], field="seen.at") if row else None

    def nonce_use(self, approver: str, nonce: str) -> str | None:
        """The statement (hex) that used this approver's nonce before."""
        row = self._row("SELECT statement FROM nonces WHERE approver = ? AND nonce = ?", approver, nonce)
        return row[0] if row else None

    def refused_spend(self, spend: str, intents: Collection[str]) -> bool:
        """Whether a refusal of this spend was signed for one of these intents, or for intents nobody wrote down."""
        rows = self._connection.execute("SELECT intents FROM refusals WHERE txid = ?", (spend,))
        return any(told is None or not set(json.loads(told)).isdisjoint(intents) for (told,) in rows)

    def _grow(self) -> None:
        lacking = [name for name in _TABLES if not self._has_table(name)]
        if not lacking and all(self._has(*place) for place in _LATER):
            return
        with self.exclusive():
            for name in lacking:
                for statement in _create(name):
                    self._connection.execute(statement)
            for table, column in (place for place in _LATER if not self._has(*place)):
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {_LATER[table, column]}")

    def _has_table(self, table: str) -> bool:
        return self._row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table) is not None

    def _has(self, table: str, column: str) -> bool:
        return self._row("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", table, column) is not None

    def _row(self, query: str, *values: object) -> Any:
        return self._connection.execute(query, values).fetchone()

    def _signed(self, query: str, *values: object) -> list[SignedTransaction]:
        rows = self._connection.execute(query, values)
        return [_read_signed(json.loads(row[0])) for row in rows]

    def _insert(self, table: str, **values: object) -> None:
        self._write("INSERT", table, values)

    def _insert_new(self, table: str, **values: object) -> None:
        self._write("INSERT OR IGNORE", table, values)

    def _write(self, verb: str, table: str, values: dict[str, object]) -> None:
        places = ", ".join("?" * len(values))
        self._connection.execute(f"{verb} INTO {table} ({', '.join(values)}) VALUES ({places})", tuple(values.values()))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _schema() -> Iterator[str]:
    yield "BEGIN IMMEDIATE"
    for name in _TABLES:
        yield from _create(name)
    yield "COMMIT"


def _create(name: str) -> Iterator[str]:
    yield f"CREATE TABLE {name} ({_TABLES[name]})"
    for verb in ("UPDATE", "DELETE"):
        refuse = "BEGIN SELECT RAISE(ABORT, 'the memory is append-only'); END"
        yield f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} {refuse}"


def _write_signed(signed: SignedTransaction) -> dict[str, Any]:
    # Amounts as text: base units of some assets are more than JSON's numbers can hold.
    return {
        "spend": signed.spend,
        "bundle": signed.bundle,
        "attempt": signed.attempt,
        "bundle_digest": signed.bundle_digest,
        "at": rfc3339(signed.at),
        "claims": {claim: str(units) for claim, units in signed.claims.items()},
        "outputs": [[whom, str(units)] for whom, units in signed.outputs],
        "fee_units": str(signed.fee_units),
        "intents": [intent.to_json() for intent in signed.intents],
    }


def _read_signed(body: dict[str, Any]) -> SignedTransaction:
    found = body if "claims" in body else _of_coins(body)
    return SignedTransaction(
        spend=found["spend"],
        bundle=found["bundle"],
        attempt=found["attempt"],
        bundle_digest=found["bundle_digest"],
        at=parse_rfc3339(found["at"], field="signed.at"),
        claims={claim: int(units) for claim, units in found["claims"].items()},
        outputs=tuple((whom, int(units)) for whom, units in found["outputs"]),
        fee_units=int(found["fee_units"]),
        intents=tuple(PaidIntent.read(intent) for intent in found["intents"]),
    )


def _of_coins(body: dict[str, Any]) -> dict[str, Any]:
    """A body as it was written when coins were all there was."""
    claims = {f"{txid}:{vout}": amount_sat for txid, vout, amount_sat in body["inputs"]}
    return {**body, "spend": body["txid"], "claims": claims, "fee_units": body["fee_sat"]}
