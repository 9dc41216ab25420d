"""``custody-status``: makes a key, pins a trust root, is told what was taken back, and says so every minute.

Runs apart from the daemon, under an account of its own. Its key is kept unsealed in its home (0600), for it must come
back by itself after a restart: whoever has it can hide what was taken back, and can sign no payment.

Exit codes: 0 done, 1 refused, 2 wrong usage or input, 5 the API does not answer.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from custody.evidence.codes import digest_code
from custody.evidence.signatures import public_half
from custody.evidence.status import ROLE
from custody.evidence.succession import SuccessionRefused
from custody.evidence.trust_root import Service, SignedTrustRoot, TrustRootRefused, check_ceremony
from custody.kernel.canonical import canonical_json, parse_json
from custody.kernel.errors import CustodyError, InvalidInput, NotFound, Unavailable
from custody.statuskeeper.keeper import Keeper
from custody.statuskeeper.keeping import Keeping
from custody.statuskeeper.service import Api
from policies.document import document_hash, load_document

DONE, REFUSED, INVALID, UNREACHABLE = 0, 1, 2, 5
_LARGEST_FILE: Final = 16_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one line on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = _COMMANDS[arguments.command](arguments)
        return code
    except CustodyError as error:
        _say(f"error: {' '.join(str(error).split())}")
        if isinstance(error, Unavailable):
            return UNREACHABLE
        return INVALID if isinstance(error, InvalidInput | NotFound) else REFUSED
    except (OSError, sqlite3.Error) as error:
        _say(f"error: {type(error).__name__}: {' '.join(str(error).split())}")
        return REFUSED


def init(arguments: argparse.Namespace) -> int:
    """Make a key and an empty list; prints what the trust root is to say of it."""
    home: Path = arguments.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    if (home / "key.pem").exists():
        raise InvalidInput("there is a key already", field="home")
    key = Ed25519PrivateKey.generate()
    Keeping.create(home / "list.sqlite").close()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(home / "key.pem", pem.decode())
    key_id = f"{arguments.service}-1"
    _write(home / "service.json", json.dumps({"service": arguments.service, "key": key_id}))
    _print(Service(arguments.service, (ROLE,), (public_half(key, key_id),)).to_json())
    return DONE


def pin(arguments: argparse.Namespace) -> int:
    """Pin version 1, after its code was compared, with its policy."""
    signed = SignedTrustRoot.parse(_read(arguments.root))
    root = check_ceremony(signed, now=_now())
    text = arguments.policy.read_text()
    load_document(text)
    if document_hash(text) != root.policy_hash:
        raise TrustRootRefused("states another policy", field="trust_root.policy_hash")
    spoken = arguments.fingerprint.upper().replace(" ", "").replace("-", "")
    if spoken != digest_code(root.hash).replace(" ", ""):
        raise TrustRootRefused("is not the one whose code was read", field="fingerprint")
    keeper = _open(arguments)
    if keeper.keeping.versions():
        raise InvalidInput("a trust root is pinned already", field="trust_root")
    if root.service_key(keeper.service, keeper.key_id, role=ROLE) != public_half(keeper.key, keeper.key_id):
        raise TrustRootRefused("does not name this service with this key", field="trust_root.services")
    with keeper.keeping.exclusive():
        keeper.keeping.add_version(root, text, now=_now())
    print(f"pinned {root.name}, code {digest_code(root.hash)}")
    return DONE


def tell(arguments: argparse.Namespace) -> int:
    """Take signed documents from files: freezes and unfreezes, rejections, cancellations, revocations."""
    keeper = _open(arguments)
    for path in arguments.documents:
        for line in keeper.tell(_read(path), now=_now()) or ["nothing new"]:
            print(f"{path.name}: {line}")
    return DONE


def state(arguments: argparse.Namespace) -> int:
    """Print one statement, to be carried by hand."""
    _print(_open(arguments).state(lifetime=timedelta(seconds=arguments.lifetime), now=_now()).to_json())
    return DONE


def serve(arguments: argparse.Namespace) -> int:
    """Ask the daemon what it knows, and give it a statement, again and again until interrupted."""
    api = Api.parse(arguments.api, token=arguments.token_file.read_text().strip())
    keeper, lifetime = _open(arguments), timedelta(seconds=arguments.lifetime)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        while True:
            _once(api, keeper, lifetime)
            if arguments.once:
                return DONE
            time.sleep(arguments.interval)
    except KeyboardInterrupt:
        return DONE


def _once(api: Api, keeper: Keeper, lifetime: timedelta) -> None:
    withdrawn: list[str] = []
    try:
        for version in keeper.follow(api.announcement(), now=_now()):
            _say(f"version {version} of the trust root counts from now on")
        withdrawn, documents = api.retractions()
        for document in documents:
            _take(keeper, document)
    except (Unavailable, InvalidInput, SuccessionRefused) as error:
        # What a daemon does not say, or says wrongly, keeps nothing from being stated.
        _say(f"the daemon tells nothing: {' '.join(str(error).split())}")
    signed = keeper.state(lifetime=lifetime, now=_now(), withdrawn=withdrawn)
    try:
        api.hand_in(signed)
    except Unavailable as error:
        _say(f"statement {signed.status.number} was not taken: {' '.join(str(error).split())}")
    else:
        _say(f"statement {signed.status.number} was taken")


def _take(keeper: Keeper, document: object) -> None:
    try:
        for line in keeper.tell(document, now=_now()):
            _say(line)
    except CustodyError as error:
        _say(f"not taken: {' '.join(str(error).split())}")


def _open(arguments: argparse.Namespace) -> Keeper:
    home: Path = arguments.home
    if not (home / "key.pem").is_file():
        raise NotFound("there is no key here; make one with init", field="home")
    if home.stat().st_mode & 0o077 or (home / "key.pem").stat().st_mode & 0o077:
        raise InvalidInput("others may read it; accepted is mode 0700 with files of 0600", field="home")
    key = load_pem_private_key((home / "key.pem").read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput("not an Ed25519 key", field="home")
    known = _read(home / "service.json")
    return Keeper(known["service"], known["key"], key, Keeping.open(home / "list.sqlite"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="custody-status", description="Says what was taken back.")
    parser.add_argument("--home", type=Path, required=True, help="directory of this service (0700)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("init", help="make a key").add_argument("--service", required=True, help="its name")
    pinning = commands.add_parser("pin", help="pin version 1 of the trust root")
    pinning.add_argument("--root", type=Path, required=True, help="signed trust root")
    pinning.add_argument("--policy", type=Path, required=True, help="the policy it states")
    pinning.add_argument("--fingerprint", required=True, metavar="CODE", help="the code that was read aloud")
    telling = commands.add_parser("tell", help="take signed documents from files")
    telling.add_argument("documents", type=Path, nargs="+", metavar="FILE")
    stating = commands.add_parser("state", help="print one statement")
    serving = commands.add_parser("serve", help="state to a daemon's API until interrupted")
    serving.add_argument("--api", required=True, metavar="URL")
    serving.add_argument("--token-file", type=Path, required=True)
    serving.add_argument("--interval", type=float, default=60.0, metavar="S", help="seconds between statements (60)")
    serving.add_argument("--once", action="store_true", help="state once and stop")
    for command in (stating, serving):
        command.add_argument("--lifetime", type=int, default=300, metavar="S", help="seconds each is good for (300)")
    return parser


_COMMANDS: Final = {"init": init, "pin": pin, "tell": tell, "state": state, "serve": serve}


def _read(path: Path) -> Any:
    return parse_json(path.read_bytes(), field=path.name, limit_bytes=_LARGEST_FILE)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _print(value: dict[str, Any]) -> None:
    print(canonical_json(value).decode())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
