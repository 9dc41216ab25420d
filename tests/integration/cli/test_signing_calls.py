"""``custody api sign`` shows what a signature covers; what it prints is let in."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.cli.exits import run
from custody.cli.main import app
from tests.integration.api.signing import Signer, call_key, row, serving_rows, shared
from tests.support.servers import FreshDatabase
from tests.support.world import House


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, dict[str, str]]:
    """The lines that are signed, and the headers."""
    code = run(app, ["api", "sign", *argv])
    out, err = capsys.readouterr()
    assert code == 0, err
    base, _, headers = out.partition("\n\n")
    return base, dict(line.split(": ", 1) for line in headers.splitlines())


def test_what_it_prints_is_let_in(database: FreshDatabase, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pem = call_key("shop").key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    house = House.found(database)
    with serving_rows(house, tmp_path, row("shop")) as http:
        url = "http://testserver/v1/withdrawals?client=acme"
        base, headers = printed(capsys, "GET", url, "--key", "shop-call", "--key-file", str(tmp_path / "key.pem"))
        assert base.splitlines()[:4] == [
            '"@method": GET',
            '"@authority": testserver',
            '"@path": /v1/withdrawals',
            '"@query": ?client=acme',
        ]
        answer = Signer(http, call_key("shop")).send("GET", "/v1/withdrawals?client=acme", headers=headers)
        assert answer.status_code == 200, answer.text
    house.close()


def test_covers_body_and_key_and_shows_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = shared("till").secret.hex()
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "body").write_bytes(b'{"hello": "world"}')
    base, headers = printed(
        capsys,
        *("post", "https://custody.example.com", "--key", "till-call", "--key-file", str(tmp_path / "secret")),
        *("--body", str(tmp_path / "body"), "--idempotency-key", "order-1"),
        *("--created", "1790000000", "--nonce", "n" * 16),
    )
    assert '"content-digest": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:' in base
    assert '"idempotency-key": order-1' in base
    assert 'alg="hmac-sha256"' in base
    assert '"@query": ?\n' in base
    assert set(headers) == {"Signature-Input", "Signature", "Content-Digest", "Idempotency-Key"}
    assert secret not in base + str(headers)


@pytest.mark.parametrize("url", ["ftp://x", "https://", "custody.example.com"])
def test_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    (tmp_path / "secret").write_text("s" * 32)
    assert run(app, ["api", "sign", "GET", url, "--key", "x", "--key-file", str(tmp_path / "secret")]) == 2
    assert "url:" in capsys.readouterr().err
