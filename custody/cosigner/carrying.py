"""The online half of a cosigner without a network: bundles from the API to files, answers from files to the API.

Neither command has a home, a key or a memory, and neither judges: they run on any machine with the token. What is
carried can be withheld on the way and not altered unnoticed, for every bundle is verified where the key is.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, Final

from custody.cosigner.answering import read_bundle
from custody.cosigner.home import read_json, read_text, write_private
from custody.cosigner.transport import Api, ApiRefused
from custody.evidence import fields
from custody.evidence.bundle import HandedIn, Refusal
from custody.kernel.canonical import canonical_json
from custody.kernel.errors import InvalidInput

DONE, REFUSED, WAITING = 0, 1, 8
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)


def take(arguments: argparse.Namespace) -> int:
    """Write each bundle that waits for a cosigner to a file of its own; one that is there already stays as it is."""
    found = _api(arguments).bundles(fields.name(arguments.cosigner, field="cosigner"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    written = sum(_write(item, arguments.out) for item in found)
    _say(f"{written} bundles written to {arguments.out}")
    return DONE if written else WAITING


def bring(arguments: argparse.Namespace) -> int:
    """Hand in what ``sign --out`` wrote, each file by itself; 1 when one was not taken."""
    api, code = _api(arguments), DONE
    for path in arguments.files:
        try:
            _hand_in(api, read_json(path, field="answer"))
            _say(f"{path}: handed in")
        except ApiRefused as error:
            _say(f"{path}: not taken: {error}")
            code = REFUSED
    return code


def _write(item: object, folder: Path) -> bool:
    try:
        bundle = read_bundle(item)
        # The id becomes a file's name, so it may be no path.
        if _FILE_NAME.fullmatch(bundle.id) is None:
            raise InvalidInput("cannot be a file's name", field="bundle.id")
        path = folder / f"{bundle.id}.json"
    except InvalidInput as error:
        _say(f"a bundle cannot be read: {error}")
        return False
    if path.exists():
        return False
    write_private(path, canonical_json(item).decode() + "\n")
    return True


def _hand_in(api: Api, found: object) -> None:
    if isinstance(found, dict) and "refusal" in found:
        said = fields.exact_object(found, ("refusal", "signature"), field="answer")
        refusal = Refusal.parse(said["refusal"])
        signature = fields.hexadecimal(said["signature"], field="answer.signature")
        api.send_refusal(refusal.bundle, refusal=refusal.to_json(), signature=signature)
        return
    if not isinstance(found, dict) or "bundle" not in found:
        raise InvalidInput("not an answer that sign --out wrote", field="answer")
    answer: dict[str, Any] = {name: value for name, value in found.items() if name != "bundle"}
    HandedIn.parse(answer)
    api.send_signatures(fields.name(found["bundle"], field="answer.bundle"), answer=answer)


def _api(arguments: argparse.Namespace) -> Api:
    return Api.parse(arguments.api, token=read_text(arguments.token_file, field="token").strip())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
