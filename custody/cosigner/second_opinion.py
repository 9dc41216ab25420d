"""``verify``: what a file would do and whether it may, on a machine with no key, no settings and no network."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from custody.cosigner.answering import read_bundle
from custody.cosigner.home import read_text
from custody.cosigner.opinion import Opinion, opinion_of_bundle
from custody.cosigner.papers import opinion_of_paper
from custody.evidence.codes import digest_code, long_code, names_digest
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.kernel.canonical import parse_json
from custody.kernel.clock import parse_rfc3339
from custody.kernel.errors import InvalidInput, Refused

_MAY, _MAY_NOT = 0, 1
_FILE_BYTES = 16_000_000


def verify(arguments: argparse.Namespace) -> int:
    """Print the opinion; 0 where it may, 1 where it may not or nothing says so."""
    root = _root(arguments.root, arguments.pin)
    now = parse_rfc3339(arguments.at, field="at") if arguments.at else datetime.now(UTC)
    found = _read(arguments.file)
    if "payments" in found:
        pin = root.hash if root else arguments.pin or ""
        opinion = opinion_of_bundle(read_bundle(found), pin=pin, now=now)
    else:
        policy = _text(arguments.policy, field="policy") if arguments.policy else ""
        opinion = opinion_of_paper(found, root=root, policy=policy, now=now)
    if arguments.format == "json":
        print(json.dumps(opinion.to_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(opinion, is_long=arguments.long)))
    return _MAY if opinion.may else _MAY_NOT


def _lines(opinion: Opinion, *, is_long: bool) -> list[str]:
    lines = list(opinion.words)
    if is_long:
        lines += [f"code in full {long_code(digest)}" for digest in opinion.digests]
    for screen in opinion.devices:
        lines += ["", f"{screen.device} shows:"]
        width = max(len(label) for label, _ in screen.lines)
        lines += [f"  {label.ljust(width)}  {value}" for label, value in screen.lines]
        lines += [f"  not shown: {what}" for what in screen.hidden]
    word = "may" if opinion.may else "MAY NOT"
    because = f"{opinion.reason}: {opinion.why}" if opinion.reason else opinion.why
    return [*lines, "", f"{word}: {because}", *opinion.notes]


def _root(path: Path | None, pin: str | None) -> TrustRoot | None:
    """The trust root that the reader keeps, which must be the one of the pin where both are given."""
    if path is None:
        return None
    found = _json(path, field="root")
    if isinstance(found, dict) and "document" in found:
        root = SignedTrustRoot.parse(found, field="root").root
    else:
        root = TrustRoot.parse(found, field="root")
    if pin and not names_digest(pin, root.hash):
        raise Refused(f"the trust root in the file has the code {digest_code(root.hash)}", field="pin")
    return root


def _read(source: str) -> dict[str, Any]:
    found = _json(Path(source), field="file")
    if not isinstance(found, dict):
        raise InvalidInput("not an object", field="file")
    return found


def _json(path: Path, *, field: str) -> Any:
    return parse_json(_text(path, field=field), field=field, limit_bytes=_FILE_BYTES)


def _text(path: Path, *, field: str) -> str:
    """What stands in a file, or comes from standard input where it is called ``-``."""
    if str(path) == "-":
        return sys.stdin.read(_FILE_BYTES + 1)
    return read_text(path, field=field, limit_bytes=_FILE_BYTES)
