"""A mail server on loopback that keeps what it was handed, with STARTTLS, a login and refusals where a test wants."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Handed:
    """One mail as it was handed over."""

    sender: str
    to: tuple[str, ...]
    raw: bytes
    was_encrypted: bool
    login: str

    @property
    def mail(self) -> Message:
        return message_from_bytes(self.raw)

    @property
    def text(self) -> str:
        body = self.mail.get_payload(decode=True)
        assert isinstance(body, bytes)
        return body.decode().replace("\r\n", "\n")


@dataclass
class Mailbox:
    """``refuses`` is what it answers to a recipient instead of taking it."""

    tls: ssl.SSLContext | None = None
    refuses: str = ""
    came: list[Handed] = field(default_factory=list)
    sessions: int = 0

    def __enter__(self) -> Mailbox:
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        _Session(self, sock).run()


class _Session:
    """One conversation: each verb has a method, and whatever has none is agreed to."""

    def __init__(self, box: Mailbox, sock: socket.socket) -> None:
        self.box, self.sock, self.lines = box, sock, sock.makefile("rb")
        self.login, self.sender, self.encrypted = "", "", False
        self.to: list[str] = []

    def run(self) -> None:
        self.say("220 mailbox")
        while line := self.lines.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            try:
                getattr(self, f"on_{verb.lower()}", lambda _rest: self.say("250 yes"))(rest)
            except OSError:
                break
            if verb.upper() == "QUIT":
                break
        self.sock.close()

    def say(self, text: str) -> None:
        self.sock.sendall(text.encode() + b"\r\n")

    def on_ehlo(self, _rest: str) -> None:
        offers = "AUTH PLAIN" if self.encrypted or not self.box.tls else "STARTTLS"
        self.say(f"250-mailbox\r\n250 {offers}")

    def on_starttls(self, _rest: str) -> None:
        if self.box.tls is None:
            self.say("502 no")
            return
        self.say("220 go on")
        self.sock = self.box.tls.wrap_socket(self.sock, server_side=True)
        self.lines, self.encrypted = self.sock.makefile("rb"), True

    def on_auth(self, rest: str) -> None:
        self.login = base64.b64decode(rest.removeprefix("PLAIN ")).decode().replace("\0", ":").lstrip(":")
        self.say("235 in")

    def on_mail(self, rest: str) -> None:
        self.sender = _address(rest)
        self.say("250 yes")

    def on_rcpt(self, rest: str) -> None:
        if not self.box.refuses:
            self.to.append(_address(rest))
        self.say(self.box.refuses or "250 yes")

    def on_data(self, _rest: str) -> None:
        self.say("354 go on")
        raw = b""
        while (part := self.lines.readline()) not in (b".\r\n", b""):
            raw += part.removeprefix(b".") if part.startswith(b"..") else part
        self.box.came.append(Handed(self.sender, tuple(self.to), raw, self.encrypted, self.login))
        self.to = []
        self.say("250 taken")


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file with its certificate for whoever trusts it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown, secret = folder / "mailbox.pem", folder / "mailbox.key"
    shown.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, secret)
    return context, shown
