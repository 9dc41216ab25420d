"""``custody-cosigner``: a keyholder makes a key, joins a keyset, reads what will happen, and signs or refuses.

Exit codes: 0 done, 1 refused, 2 wrong usage or input, 5 the API, a token or a device does not answer, 8 nothing to do
yet. Secrets are read from files, the terminal or standard input, never from arguments or the environment, and never
shown unless asked for at a terminal.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from custody.kernel.errors import CustodyError, InvalidInput, NotFound, Unavailable

REFUSED, INVALID, UNREACHABLE, WAITING = 1, 2, 5, 8
AT_THE_DEVICE = "at-the-device"
HOMELESS = ("take", "bring", "verify")
"""Commands for a machine that has no key."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one line on standard error."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.home is None and arguments.command not in HOMELESS:
        parser.error("the following arguments are required: --home")
    # Imported here, so that --help and mistakes in usage do not wait for the Bitcoin libraries.
    from custody.cosigner import commands

    try:
        code: int = getattr(commands, arguments.command.replace("-", "_"))(arguments)
        return code
    except CustodyError as error:
        print(f"error: {_words(error)}", file=sys.stderr)
        return _exit_code(error)
    except (OSError, sqlite3.Error) as error:
        print(f"error: {type(error).__name__}: {_words(error)}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return REFUSED


def _exit_code(error: CustodyError) -> int:
    if error.code == AT_THE_DEVICE:
        return WAITING
    if isinstance(error, Unavailable):
        return UNREACHABLE
    if isinstance(error, (InvalidInput, NotFound)):
        return INVALID
    return REFUSED


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="custody-cosigner", description="A keyholder's own program.")
    parser.add_argument(
        "--home", type=Path, help="directory of this keyholder (0700); take, bring and verify need none"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_init(commands)
    _add_enrolment(commands)
    _add_advance(commands)
    _add_signing(commands)
    limits = commands.add_parser("limits", help="show or set the keyholder's own limits")
    limits.add_argument("--set", metavar="NAME=NUMBER,…", help="per_tx_sat, max_fee_sat, per_day_units.ETH, …")
    log = commands.add_parser("log", help="print the log of signatures and refusals, checked")
    log.add_argument("--verify", action="store_true", help="print how many there are and the last one's hash")
    log.add_argument("--head", metavar="HASH", help="and one hash noted down before must be in it")
    _add_address(commands)
    _add_carrying(commands)
    _add_verify(commands)
    return parser


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser(
        "verify", help="without key, home and network: what a file would do, and whether it may"
    )
    verify.add_argument("file", help="bundle, proposal, intent or approval; - for standard input")
    verify.add_argument("--root", type=Path, metavar="FILE", help="the trust root you keep")
    verify.add_argument("--pin", metavar="CODE", help="its code or hash, as you compared it")
    verify.add_argument("--policy", type=Path, metavar="FILE", help="the policy in force, where a change replaces it")
    verify.add_argument("--at", metavar="MOMENT", help="judge as of this moment, 2026-11-01T12:00:00Z; now without it")
    verify.add_argument("--long", action="store_true", help="codes of 26 characters, for reading aloud")
    verify.add_argument("--format", choices=("table", "json"), default="table", help="words for people, or JSON")


def _add_address(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    address = commands.add_parser("address", help="print an address of a vault as derived here, shown by a device")
    address.add_argument("--root", type=Path, required=True, help="signed trust root, the pinned one")
    address.add_argument("--vault", required=True, metavar="KEYSET/BRANCH")
    address.add_argument("--index", type=int, required=True)
    address.add_argument("--change", action="store_true", help="of the change chain")


def _add_carrying(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    take = commands.add_parser("take", help="online, without a key: write waiting bundles to files")
    take.add_argument("--cosigner", required=True, metavar="NAME")
    take.add_argument("--out", type=Path, required=True, metavar="DIR")
    bring = commands.add_parser("bring", help="online, without a key: hand in answers from files")
    bring.add_argument("files", type=Path, nargs="+", metavar="FILE", help="what sign --out wrote")
    for command in (take, bring):
        command.add_argument("--api", required=True, metavar="URL")
        command.add_argument("--token-file", type=Path, required=True)


def _add_init(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    init = commands.add_parser("init", help="make a key, encrypted at rest")
    init.add_argument("--name", required=True, help="this cosigner's name in keysets")
    init.add_argument(
        "--network", required=True, help="mainnet, testnet, signet or regtest; ethereum, sepolia, anvil and so on"
    )
    init.add_argument("--mnemonic-file", type=Path, help="restore these BIP-39 words instead of making new ones")
    init.add_argument("--backup-file", type=Path, help="write the new words to this file (0600)")
    init.add_argument("--show-mnemonic", action="store_true", help="show the new words once, on a terminal")
    init.add_argument("--scrypt-log2n", type=int, help="cost of guessing the passphrase, 12 to 20 (15)")
    _add_passphrase(init)
    _add_other_keepers(commands)


def _add_other_keepers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    token = commands.add_parser("init-token", help="use a key that stays inside a PKCS#11 module")
    token.add_argument("--module", type=Path, required=True, metavar="FILE", help="the module's library")
    token.add_argument("--token", required=True, metavar="LABEL", help="label of the token")
    token.add_argument("--key", required=True, metavar="LABEL", help="label of the secp256k1 key pair in it")
    token.add_argument("--make", action="store_true", help="have the token make the key pair now")
    token.add_argument("--pin-file", default="prompt", metavar="FILE", help="file, - for standard input, or prompt")
    device = commands.add_parser("init-device", help="use a hardware wallet through the command hwi")
    device.add_argument("--hwi", type=Path, required=True, metavar="FILE", help="the command (make hwi prints it)")
    device.add_argument("--fingerprint", required=True, help="master fingerprint, as hwi enumerate prints it")
    card = commands.add_parser("init-card", help="use a device reached by files alone")
    card.add_argument(
        "--account-key-file", type=Path, required=True, metavar="FILE", help="[fingerprint/48h/…]xpub as it wrote it"
    )
    for command in (token, device, card):
        command.add_argument("--name", required=True, help="this cosigner's name in keysets")
        command.add_argument("--network", required=True, help="as of init")


def _add_enrolment(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _add_passphrase(commands.add_parser("record", help="round one: print the key record with its proof"))
    consent = commands.add_parser("consent", help="round two: check a trust root and sign its keyset and hash")
    consent.add_argument("--root", type=Path, required=True, help="trust root, signed or not")
    consent.add_argument("--records", type=Path, required=True, help="every cosigner's key record, as a JSON array")
    _add_passphrase(consent)
    pin = commands.add_parser("pin", help="pin a trust root after comparing its code with the others")
    pin.add_argument("--root", type=Path, required=True, help="signed trust root")
    pin.add_argument("--fingerprint", required=True, metavar="CODE", help="the code that was read aloud")
    pin.add_argument(
        "--newcomer", action="store_true", help="no keyset of version 1 holds this key: it comes with a later version"
    )


def _add_advance(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    advance = commands.add_parser("advance", help="read what later versions of the trust root change, and pin them")
    advance.add_argument("rules", type=Path, help="a bundle, or what the API announces, as a file")
    advance.add_argument("--yes", action="store_true", help="do not ask a person")


def _add_signing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    show = commands.add_parser("show", help="verify a bundle and say what it would do")
    show.add_argument("bundle", help="file, or - for standard input")
    sign = commands.add_parser("sign", help="verify a bundle and sign or refuse it")
    sign.add_argument("bundle", help="file, or - for standard input")
    sign.add_argument("--out", type=Path, help="write the answer here instead of to standard output")
    fetch = commands.add_parser("fetch", help="fetch bundles from the API and answer them")
    fetch.add_argument("--api", required=True, metavar="URL")
    fetch.add_argument("--token-file", type=Path, required=True)
    how = fetch.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="answer what is there and stop (the default)")
    how.add_argument("--watch", action="store_true", help="keep looking until interrupted")
    fetch.add_argument("--interval", type=_seconds, default=5.0, metavar="S", help="seconds between looks (5)")
    for command in (sign, fetch):
        command.add_argument("--yes", action="store_true", help="do not ask a person")
        _add_passphrase(command)


def _add_passphrase(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--passphrase-file",
        "--pin-file",
        default="prompt",
        metavar="FILE",
        help="passphrase, or a token's PIN: file, - for standard input, or prompt",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.05 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("accepted is 0.05 to 3600")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
