"""The client against receivers that drip, shout, lie and hang up: one deadline, one bound, one connection kept."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from custody.webhooks import wire as wires
from custody.webhooks.places import Places, read_networks
from custody.webhooks.wire import NoAnswer, Wire

INSIDE = read_networks("127.0.0.0/8")
Serve = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def serving(serve: Serve) -> Iterator[tuple[str, list[socket.socket]]]:
    """A server on loopback whose every connection is ``serve``'s; its address, and the connections made."""
    listener = socket.create_server(("127.0.0.1", 0))
    over, lines = threading.Event(), []

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            lines.append(line)
            threading.Thread(target=_serve, args=(serve, line, over), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", lines
    finally:
        over.set()
        listener.close()


def _serve(serve: Serve, line: socket.socket, over: threading.Event) -> None:
    with contextlib.suppress(OSError), line:
        serve(line, over)


def read_request(line: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        found = line.recv(4096)
        if not found:
            return b""
        data += found
    return data


def says(*answers: bytes, then_close: bool = False) -> Serve:
    """Answer each request with the next of these."""

    def serve(line: socket.socket, over: threading.Event) -> None:
        for answer in answers:
            if not read_request(line):
                return
            line.sendall(answer)
        if not then_close:
            over.wait(10)

    return serve


def drips(line: socket.socket, over: threading.Event) -> None:
    read_request(line)
    line.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while not over.wait(0.05):
        line.sendall(b"y")


@pytest.mark.parametrize("serve", [drips, lambda _line, over: over.wait(10)], ids=["drips", "is-silent"])
def test_the_deadline_is_for_everything(serve: Serve) -> None:
    late = pytest.raises(NoAnswer, match="within the time limit")
    with serving(serve) as (url, _), Wire(Places(INSIDE), timeout_seconds=0.4) as wire, late:
        wire.post(url, {}, b"{}")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 xyz\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000, "head is too long"),
        (b"HTTP/1.1 200", "closed"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(answer: bytes, why: str) -> None:
    none = pytest.raises(NoAnswer, match=why)
    with serving(says(answer, then_close=True)) as (url, _), Wire(Places(INSIDE), timeout_seconds=5) as wire, none:
        wire.post(url, {}, b"{}")


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", 201, b""),
        (b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nwhy\r\n0\r\n\r\n", 500, b"why"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n" + b"z" * 70_000, 200, b"z"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: \xb2\r\n\r\nok", 200, b"ok"),
    ],
)
def test_answers_of_every_form_are_read_to_a_bound(answer: bytes, status: int, body: bytes) -> None:
    with serving(says(answer, then_close=True)) as (url, _), Wire(Places(INSIDE), timeout_seconds=5) as wire:
        found = wire.post(url, {}, b"{}")
    assert found.status == status
    assert found.body.startswith(body) and len(found.body) < 90_000


def test_a_connection_is_kept_and_a_dead_one_is_replaced() -> None:
    fine = b"HTTP/1.1 204 No Content\r\n\r\n"
    with serving(says(fine, fine, then_close=True)) as (url, lines), Wire(Places(INSIDE), timeout_seconds=5) as wire:
        for _ in range(2):
            assert wire.post(url, {}, b"{}").status == 204
        assert len(lines) == 1
        assert wire.post(url, {}, b"{}").status == 204
        assert len(lines) == 2


def test_a_receivers_certificate_is_checked_and_its_name(tmp_path: Path) -> None:
    """Signed by nobody known, or for another name: nothing is sent. Trusted and of that name: it is."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate_for("receiver.example", tmp_path))
    heard: list[bytes] = []

    def serve(line: socket.socket, _over: threading.Event) -> None:
        with server.wrap_socket(line, server_side=True) as safe:
            heard.append(read_request(safe))
            safe.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    known = ssl.create_default_context(cafile=str(tmp_path / "receiver.example.pem"))
    places = Places(INSIDE, look_up=lambda _host, _port: ["127.0.0.1"])
    with serving(serve) as (url, _):
        port = url.rsplit(":", 1)[1]
        for name, tls in (("receiver.example", None), ("thief.example", known)):
            with Wire(places, tls=tls, timeout_seconds=5) as wire, pytest.raises(NoAnswer, match="certificate"):
                wire.post(f"https://{name}:{port}", {}, b"secret")
        assert heard == []
        with Wire(places, tls=known, timeout_seconds=5) as wire:
            assert wire.post(f"https://receiver.example:{port}", {}, b"{}").status == 204
        assert len(heard) == 1


def certificate_for(name: str, folder: Path) -> Path:
    """A certificate for ``name`` that only itself vouches for, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return file


def test_an_answer_that_says_close_closes() -> None:
    last = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    with serving(says(last)) as (url, lines), Wire(Places(INSIDE), timeout_seconds=5) as wire:
        for _ in range(2):
            assert wire.post(url, {}, b"{}").status == 204
        assert len(lines) == 2


def test_whoever_hangs_up_before_answering_is_not_asked_twice() -> None:
    """It may have taken what was sent: only a connection that had been kept open is replaced at once."""
    closed = pytest.raises(NoAnswer, match="closed")
    with serving(says(then_close=True)) as (url, lines), Wire(Places(INSIDE), timeout_seconds=5) as wire, closed:
        wire.post(url, {}, b"{}")
    assert len(lines) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
    ],
    ids=["behind nothing", "behind a body"],
)
def test_what_comes_behind_an_answer_is_no_answer_to_the_next(answer: bytes) -> None:
    with serving(says(answer)) as (url, lines), Wire(Places(INSIDE), timeout_seconds=5) as wire:
        for _ in range(2):
            assert wire.post(url, {}, b"{}").status < 300
        assert len(lines) == 2


def test_a_body_of_no_told_length_is_read_to_its_beginning_and_not_waited_for() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * 200_000
    with serving(says(endless)) as (url, _), Wire(Places(INSIDE), timeout_seconds=5) as wire:
        assert 2_000 < len(wire.post(url, {}, b"{}").body) < 40_000


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "_IDLE_SECONDS", 0.0)
    fine = b"HTTP/1.1 204 No Content\r\n\r\n"
    with serving(says(fine, fine)) as (url, lines), Wire(Places(INSIDE), timeout_seconds=5) as wire:
        for _ in range(2):
            assert wire.post(url, {}, b"{}").status == 204
        assert len(lines) == 2


@pytest.mark.parametrize(("limit", "most"), [(60.0, 5.0), (0.5, 0.5)])
def test_connecting_and_the_handshake_have_a_limit(monkeypatch: pytest.MonkeyPatch, limit: float, most: float) -> None:
    waits: list[float] = []

    def refuse(_address: tuple[str, int], *, timeout: float) -> socket.socket:
        waits.append(timeout)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with Wire(Places(INSIDE), timeout_seconds=limit) as wire, pytest.raises(NoAnswer):
        wire.post("https://127.0.0.1/", {}, b"")
    assert len(waits) == 1 and 0 < waits[0] <= most
