"""A person's or back end's own Ed25519 key, from a PEM file (PKCS 8). It never leaves this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KeyOption = Annotated[str, typer.Option("--key", help="Ed25519 private key, PEM (PKCS 8), unencrypted.")]
KeyIdOption = Annotated[str, typer.Option("--key-id", help="The key's id in the trust root; NAME-1 without it.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")]


def load_key(path: str) -> Ed25519PrivateKey:
    """The key in the file. Raises ``InvalidInput``, which says nothing of its content."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from custody.kernel.errors import InvalidInput

    try:
        key = load_pem_private_key(Path(path).read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput("not an Ed25519 private key; accepted is unencrypted PEM (PKCS 8)", field="key")
    return key


def confirm(question: str, *, is_agreed: bool) -> None:
    """Ask a person, unless they agreed beforehand. Raises ``InvalidInput`` where nobody can be asked."""
    import sys

    from custody.kernel.errors import InvalidInput

    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise InvalidInput("there is no terminal to ask at; say --yes", field="yes")
    typer.confirm(question, abort=True, err=True)
