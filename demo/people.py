"""Who acts in the story: operators and the exchange with Ed25519 keys, cosigners through their own program."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from custody.cli.credential import Bearer, Credential, Signed
from custody.evidence.approvals import Approval, Statement
from custody.evidence.requests import Request, request_message
from custody.evidence.signatures import PublicKey, Signature, public_half, sign_ed25519
from custody.kernel.errors import Refused
from demo.child import ServerFailed, write_secret


class ApiSaidNo(Refused):
    """The API answered with a problem document; ``facts['status']`` is the HTTP status."""

    code = "api-said-no"


@dataclass(frozen=True, repr=False)
class Api:
    """One caller of the API: a bearer token, or a key that signs each call."""

    url: str
    credential: Credential

    def get(self, path: str) -> Any:
        """GET; the decoded body."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST; the decoded body. Raises ``ApiSaidNo``."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.credential.headers(method, self.url + path, data)}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read())
            raise ApiSaidNo(problem["detail"], field=problem.get("field"), status=error.code) from error


def call_key_name(caller: str) -> str:
    """The name of a caller's key in the callers' file."""
    return f"{caller}-call"


def credential_of(caller: str, content: str) -> Credential:
    """What ``caller`` calls with, out of its file: who asks for payments signs, the others have a token."""
    is_key = content.startswith("-----BEGIN")
    return Signed(call_key_name(caller), content.encode()) if is_key else Bearer(content)


@dataclass(frozen=True)
class Person:
    """Somebody with an Ed25519 key of their own: an operator, or the exchange's back end."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def create(cls, name: str, keys: Path) -> Person:
        """Make a key and keep it in ``keys/NAME.pem`` (0600), where ``custody approve --key`` reads it."""
        person = cls(name, Ed25519PrivateKey.generate())
        pem = person.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_secret(keys / f"{name}.pem", pem.decode())
        return person

    @classmethod
    def unkept(cls, name: str) -> Person:
        """Somebody whose key signs as long as this process lives and is written nowhere."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, name: str, keys: Path) -> Person:
        """Somebody whose key lies in ``keys/NAME.pem``."""
        key = load_pem_private_key((keys / f"{name}.pem").read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        return cls(name, key)

    @property
    def key_id(self) -> str:
        """The name of the key in the trust root."""
        return f"{self.name}-1"

    @property
    def public(self) -> PublicKey:
        """What the trust root pins."""
        return public_half(self.key, self.key_id)

    def sign(self, message: bytes) -> Signature:
        """Sign 32 bytes."""
        return sign_ed25519(self.key, self.key_id, message)

    def ask(self, request: Request) -> dict[str, Any]:
        """The signed body of a request."""
        return {"request": request.to_json(), "signature": self.sign(request_message(request)).to_json()}

    def say(self, verdict: str, digest: str, *, until: datetime) -> dict[str, Any]:
        """The signed body of an approval or rejection of ``digest``."""
        now = datetime.now(UTC)
        statement = Statement(digest, verdict, self.name, secrets.token_hex(16), now, until)
        return Approval(statement, self.sign(statement.message)).to_json()


@dataclass(frozen=True)
class Cosigner:
    """A keyholder with a key for one network, acting only through its own program in a directory of its own."""

    name: str
    network: str
    home: Path
    passphrase_file: Path

    @classmethod
    def create(cls, name: str, network: str, root: Path) -> Cosigner:
        """A keyholder with a fresh passphrase; the key itself is made by its own program."""
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        write_secret(folder / "passphrase", secrets.token_hex(16))
        return cls(name, network, folder / "home", folder / "passphrase")

    def argv(self, *arguments: str | Path) -> list[str | Path]:
        """The command line of ``custody-cosigner`` for this keyholder."""
        return [sys.executable, "-m", "custody.cosigner.main", "--home", self.home, *arguments]

    def passphrase(self) -> list[str | Path]:
        """The option that unlocks the key."""
        return ["--passphrase-file", self.passphrase_file]

    def run(self, *arguments: str | Path) -> str:
        """Run one command; its output. Raises ``ServerFailed`` with the program's own words."""
        done = subprocess.run(
            self.argv(*arguments), capture_output=True, text=True, check=False, env=dict(os.environ), timeout=120
        )
        if done.returncode != 0:
            raise ServerFailed(done.stderr.strip() or f"exit {done.returncode}", field=f"cosigner {self.name}")
        return done.stdout


@dataclass(frozen=True)
class StatusKeeper:
    """The status service, acting only through its own program in a directory of its own."""

    home: Path

    def argv(self, *arguments: str | Path) -> list[str | Path]:
        """The command line of ``custody-status``."""
        return [sys.executable, "-m", "custody.statuskeeper.main", "--home", self.home, *arguments]

    def run(self, *arguments: str | Path) -> str:
        """Run one command; its output. Raises ``ServerFailed`` with the program's own words."""
        done = subprocess.run(
            self.argv(*arguments), capture_output=True, text=True, check=False, env=dict(os.environ), timeout=120
        )
        if done.returncode != 0:
            raise ServerFailed(done.stderr.strip() or f"exit {done.returncode}", field="status service")
        return done.stdout


def in_an_hour() -> datetime:
    """When the story's requests and approvals run out."""
    return in_days(0, hours=1)


def in_days(days: int, *, hours: int = 0) -> datetime:
    """A whole second that far from now."""
    return (datetime.now(UTC) + timedelta(days=days, hours=hours)).replace(microsecond=0)
