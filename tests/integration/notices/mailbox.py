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
        lines, login, sender, to = sock.makefile("rb"), "", "", []
        encrypted = False

        def say(text: str) -> None:
            sock.sendall(text.encode() + b"\r\n")

        say("220 mailbox")
        while line := lines.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    offers = ["AUTH PLAIN"] if encrypted or not self.tls else ["STARTTLS"]
                    say(f"250-mailbox\r\n250 {offers[0]}")
                case "STARTTLS" if self.tls:
                    say("220 go on")
                    try:
                        sock = self.tls.wrap_socket(sock, server_side=True)
                    except OSError:
                        break
                    lines, encrypted = sock.makefile("rb"), True
                case "AUTH":
                    login = base64.b64decode(rest.removeprefix("PLAIN ")).decode().replace("\0", ":").lstrip(":")
                    say("235 in")
                case "MAIL":
                    sender = rest.partition("<")[2].partition(">")[0]
                    say("250 yes")
                case "RCPT" if self.refuses:
                    say(self.refuses)
                case "RCPT":
                    to.append(rest.partition("<")[2].partition(">")[0])
                    say("250 yes")
                case "DATA":
                    say("354 go on")
                    raw = b""
                    while (part := lines.readline()) not in (b".\r\n", b""):
                        raw += part.removeprefix(b".") if part.startswith(b"..") else part
                    self.came.append(Handed(sender, tuple(to), raw, encrypted, login))
                    to = []
                    say("250 taken")
                case "QUIT":
                    say("221 bye")
                    break
                case _:
                    say("250 yes")
        sock.close()


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
