"""What each command of ``custody-cosigner`` does; ``main`` finds them here by name."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from custody.cosigner import enrolment
from custody.cosigner.answering import Answer, Desk, NothingPinned, Signed, SignedRefusal, read_bundle
from custody.cosigner.carrying import bring, take
from custody.cosigner.craft import Myself
from custody.cosigner.crafts import craft_of
from custody.cosigner.home import Home, read_json, read_text, write_json, write_private
from custody.cosigner.journal import JournalBroken
from custody.cosigner.keeping import CosignerKey
from custody.cosigner.key_commands import address, init, init_card, init_device, init_token
from custody.cosigner.keyring import open_key, read_header
from custody.cosigner.limits import parse_settings
from custody.cosigner.lineage import Carried
from custody.cosigner.memory import Memory
from custody.cosigner.prompting import ask_yes, is_person_there, read_passphrase
from custody.cosigner.second_opinion import verify
from custody.cosigner.standing import check_rules
from custody.cosigner.transport import Api, ApiRefused, ApiUnreachable
from custody.cosigner.verify import Verdict
from custody.cosigner.verify import verify as judge
from custody.evidence.announcement import Announcement
from custody.evidence.bundle import Bundle
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.evidence.words import digest_code
from custody.kernel.canonical import canonical_json, parse_json
from custody.kernel.clock import rfc3339
from custody.kernel.errors import InvalidInput

__all__ = [
    "address", "bring", "consent", "fetch", "init", "init_card", "init_device", "init_token", "limits", "log", "pin",
    "record", "show", "sign", "take", "verify",
]  # fmt: skip

DONE, REFUSED, WAITING = 0, 1, 8
_BUNDLE_BYTES = 16_000_000


def record(arguments: argparse.Namespace) -> int:
    """Round one."""
    _print_json(enrolment.key_record(_open_key(arguments)).to_json())
    return DONE


def consent(arguments: argparse.Namespace) -> int:
    """Round two; what is being agreed to goes to standard error, the signatures to standard output."""
    root = _read_root(arguments.root)
    answer = enrolment.consent(_open_key(arguments), root, _read_records(arguments.records))
    for keyset in root.keysets:
        members = ", ".join(cosigner.id for cosigner in keyset.cosigners)
        _say(f"keyset {keyset.id}: {keyset.threshold} of {len(keyset.cosigners)} ({members})")
    _say(f"trust root {root.name}, code {digest_code(root.hash)}: compare it with the others before you pin it")
    _print_json(answer)
    return DONE


def pin(arguments: argparse.Namespace) -> int:
    """Pin a trust root for good."""
    home = Home.open(arguments.home)
    header = read_header(read_json(home.key_file, field="key"))
    signed = SignedTrustRoot.parse(read_json(arguments.root, field="trust_root"))
    me = Myself(header.name, header.account_key, header.network)
    root_hash = enrolment.check_pin(
        signed, spoken=arguments.fingerprint, me=me, now=_now(), is_newcomer=arguments.newcomer
    )
    Memory.open(home.memory_file).pin(root_hash, now=_now())
    print(f"pinned {signed.root.name}, code {digest_code(root_hash)}")
    return DONE


def show(arguments: argparse.Namespace) -> int:
    """Verify a bundle without the key and say what it would do."""
    home = Home.open(arguments.home)
    header = read_header(read_json(home.key_file, field="key"))
    bundle, memory = _read_bundle(arguments.bundle), Memory.open(home.memory_file)
    pinned = memory.pinned()
    if pinned is None:
        raise NothingPinned("pin one first", field="trust_root")
    me = Myself(header.name, header.account_key, header.network)
    verdict = judge(bundle, pinned=pinned, memory=memory, limits=home.limits(), me=me, now=_now())
    print("\n".join(verdict.words))
    return DONE


def sign(arguments: argparse.Namespace) -> int:
    """Answer one bundle from a file."""
    bundle = _read_bundle(arguments.bundle)
    desk = _desk(arguments)
    answer = desk.answer(bundle, confirm=_confirm(arguments), clock=_now)
    written = _answer_json(answer, desk.name)
    if written is None:
        _say(_in_words(answer))
        return WAITING
    if arguments.out is None:
        _print_json(written)
    else:
        write_private(arguments.out, canonical_json(written).decode() + "\n")
    _say(_in_words(answer))
    return DONE if isinstance(answer, Signed) else REFUSED


def fetch(arguments: argparse.Namespace) -> int:
    """Answer what the API holds for us, once or until interrupted."""
    api = Api.parse(arguments.api, token=read_text(arguments.token_file, field="token").strip())
    desk, confirm = _desk(arguments), _confirm(arguments)
    if not arguments.watch:
        return _answer_all(api, desk, confirm)
    # Asked for here: a program started in the background may have inherited an ignored interrupt.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        while True:
            _answer_or_say(api, desk, confirm)
            time.sleep(arguments.interval)
    except KeyboardInterrupt:
        return DONE


def advance(arguments: argparse.Namespace) -> int:
    """Show what later versions of the trust root change, and pin them after a yes."""
    home = Home.open(arguments.home)
    header, memory = read_header(read_json(home.key_file, field="key")), Memory.open(home.memory_file)
    pinned, carried = memory.pinned(), _read_rules(arguments.rules)
    if pinned is None:
        raise NothingPinned("pin one first", field="trust_root")
    craft = craft_of(header.network)
    standing = check_rules(carried, pinned=pinned, memory=memory, limits=home.limits(), craft=craft, now=_now())
    if not standing.lineage.steps:
        print(f"version {standing.root.version} is pinned already")
        return DONE
    print("\n".join(standing.lineage.words(carried)))
    if not arguments.yes and not (is_person_there() and ask_yes("Go by this from now on? Type yes or no: ")):
        return WAITING
    with memory.exclusive():
        memory.note_status(standing.signed_status, now=_now())
        memory.advance([(step.root.version, step.root.hash) for step in standing.lineage.steps], now=_now())
    return DONE


def limits(arguments: argparse.Namespace) -> int:
    """Show the limits; set some first if asked."""
    home = Home.open(arguments.home)
    found = home.limits()
    if arguments.set is not None:
        found = found.changed(parse_settings(arguments.set))
        memory = Memory.open(home.memory_file)
        with memory.exclusive():
            memory.note(kind="limits", body=found.to_json(), now=_now())
            write_json(home.limits_file, found.to_json())
    for name, value in found.to_json().items():
        print(f"{name} {'none' if value is None else value}")
    return DONE


def log(arguments: argparse.Namespace) -> int:
    """Print the log, one JSON object a line, after checking its chain."""
    memory = Memory.open(Home.open(arguments.home).memory_file)
    entries = memory.log()
    if arguments.head is not None and arguments.head not in {entry.hash for entry in entries}:
        raise JournalBroken("the entry that was noted down is not in it any more", field="head")
    if arguments.verify:
        print(f"{len(entries)} entries, head {entries[-1].hash if entries else 'none'}")
        return DONE
    for entry in entries:
        _print_json(
            {"place": entry.place, "at": rfc3339(entry.at), "kind": entry.kind, **entry.body, "hash": entry.hash}
        )
    return DONE


def _answer_or_say(api: Api, desk: Desk, confirm: Callable[[Verdict], bool | None]) -> None:
    try:
        _answer_all(api, desk, confirm)
    except ApiUnreachable as error:
        _say(f"{error}; trying again")


def _answer_all(api: Api, desk: Desk, confirm: Callable[[Verdict], bool | None]) -> int:
    try:
        desk.see(api.announcement(), now=_now())
    except InvalidInput as error:
        # Bundles are judged by themselves; what waits is seen later, and its delay counts from then.
        _say(f"nothing is announced: {error}")
    codes = [_answer_one(api, desk, confirm, found) for found in api.bundles(desk.name)]
    return next((code for code in (REFUSED, DONE) if code in codes), WAITING)


def _answer_one(api: Api, desk: Desk, confirm: Callable[[Verdict], bool | None], found: object) -> int:
    try:
        bundle = read_bundle(found)
    except InvalidInput as error:
        _say(f"a bundle cannot be read: {error}")
        return REFUSED
    answer = desk.answer(bundle, confirm=confirm, clock=_now)
    try:
        if isinstance(answer, Signed):
            api.send_signatures(bundle.id, answer=answer.to_json(desk.name))
        elif isinstance(answer, SignedRefusal):
            api.send_refusal(bundle.id, refusal=answer.refusal.to_json(), signature=answer.signature)
    except ApiRefused as error:
        _say(f"{bundle.id}: the answer was not taken: {error}")
        return REFUSED
    _say(_in_words(answer))
    return {Signed: DONE, SignedRefusal: REFUSED}.get(type(answer), WAITING)


def _desk(arguments: argparse.Namespace) -> Desk:
    home = Home.open(arguments.home)
    memory = Memory.open(home.memory_file)
    return Desk(_open_key(arguments), memory, home.limits())


def _open_key(arguments: argparse.Namespace) -> CosignerKey:
    home = Home.open(arguments.home)
    stored = read_json(home.key_file, field="key")
    return open_key(
        stored,
        secret=lambda what: read_passphrase(arguments.passphrase_file, what=what),
        cards=home.card_folder,
    )


def _confirm(arguments: argparse.Namespace) -> Callable[[Verdict], bool | None]:
    def confirm(verdict: Verdict) -> bool | None:
        _say("\n".join(verdict.words))
        if arguments.yes:
            return True
        return ask_yes("Sign this? Type yes or no: ") if is_person_there() else None

    return confirm


def _read_bundle(source: str) -> Bundle:
    if source == "-":
        text = sys.stdin.read(_BUNDLE_BYTES + 1)
        return read_bundle(parse_json(text, field="bundle", limit_bytes=_BUNDLE_BYTES))
    return read_bundle(read_json(Path(source), field="bundle", limit_bytes=_BUNDLE_BYTES))


def _read_rules(path: Path) -> Carried:
    found = read_json(path, field="rules", limit_bytes=_BUNDLE_BYTES)
    if isinstance(found, dict) and "payments" in found:
        return read_bundle(found)
    return Announcement.parse(found)


def _read_root(path: Path) -> TrustRoot:
    found = read_json(path, field="trust_root")
    if isinstance(found, dict) and "document" in found:
        return SignedTrustRoot.parse(found).root
    return TrustRoot.parse(found)


def _read_records(path: Path) -> list[enrolment.KeyRecord]:
    found = read_json(path, field="records")
    if not isinstance(found, list):
        raise InvalidInput("not an array of key records", field="records")
    return [enrolment.KeyRecord.parse(item, field="records") for item in found]


def _answer_json(answer: Answer, cosigner: str) -> dict[str, Any] | None:
    if isinstance(answer, Signed):
        return {"bundle": answer.bundle, **answer.to_json(cosigner)}
    if isinstance(answer, SignedRefusal):
        return {"refusal": answer.refusal.to_json(), "signature": answer.signature}
    return None


def _in_words(answer: Answer) -> str:
    if isinstance(answer, Signed):
        return f"{answer.bundle}: signed, transaction {answer.spend}"
    if isinstance(answer, SignedRefusal):
        return f"{answer.refusal.bundle}: refused, {answer.refusal.reason}: {answer.refusal.explanation}"
    return f"{answer.bundle}: waiting, {answer.why}"


def _print_json(value: dict[str, Any]) -> None:
    print(canonical_json(value).decode())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _now() -> datetime:
    return datetime.now(UTC)
