"""``api sign``: what exactly is signed of a call, for whoever writes a client of his own and is refused."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli.inputs import file_bytes

app = typer.Typer(help="Calls of the API.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Calls of the API."""


@app.command("sign")
def sign(
    method: Annotated[str, typer.Argument(help="GET, POST and so on.")],
    url: Annotated[str, typer.Argument(help="The whole address, with its query.")],
    key: Annotated[str, typer.Option("--key", help="The key's name in the callers' file.")],
    key_file: Annotated[str, typer.Option("--key-file", help="Ed25519 private key as PEM, or the shared secret.")],
    body: Annotated[str, typer.Option("--body", help="File with the exact bytes of the body.")] = "",
    idempotency_key: Annotated[str, typer.Option("--idempotency-key", help="As the header will have it.")] = "",
    created: Annotated[int, typer.Option("--created", help="Seconds since 1970; now, where nobody says.")] = 0,
    nonce: Annotated[str, typer.Option("--nonce", help="Random, where nobody says.")] = "",
) -> None:
    """Print the bytes that are signed, line by line, and the headers they give. Nothing is sent.

    custody api sign GET https://custody.example.com/v1/assets --key exchange-1 --key-file exchange.pem
    """
    import secrets
    import time
    from pathlib import Path
    from urllib.parse import urlsplit

    from custody.evidence.calls import Terms, UnsignedCall, content_digest, sign_call, signature_base
    from custody.kernel.errors import InvalidInput
    from custody.sdk.environment import expect_url, read_call_key

    parts = urlsplit(expect_url(url, field="url"))
    if not parts.hostname:
        raise InvalidInput("names no host; accepted is such as https://custody.example.com/v1/assets", field="url")
    signing = read_call_key(key, Path(key_file).read_bytes(), field="key-file")
    digest = content_digest(file_bytes(body)) if body else None
    authority = parts.netloc.rpartition("@")[2].lower()
    call = UnsignedCall(method.upper(), authority, parts.path or "/", parts.query, digest, idempotency_key or None)
    began = created or int(time.time())
    terms = Terms(began, began + 60, nonce or secrets.token_urlsafe(24))
    components = call.components()
    names = [name for name, _ in components]
    print(signature_base(components, terms.text(names, key=key, algorithm=signing.algorithm)).decode("latin-1"))
    print()
    for name, value in sign_call(call, signing, terms).items():
        print(f"{name}: {value}")
    if idempotency_key:
        print(f"Idempotency-Key: {idempotency_key}")
