"""The mail server that notices leave by, read from one address. Pure: text in, values or one-line errors out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from config.chains import ConfigError

SCHEMES: Final = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
"""Each with its usual port: TLS from the first byte, TLS before anything is said, and none."""
_ACCEPTED: Final = "smtps://[user:password@]host[:port], or smtp+starttls:// for TLS that begins later"
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class MailSettings:
    """Where mail is handed over, and who it is from. Has no readable ``repr``: it holds a password."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    sender: str
    ca_file: str
    """Certificates trusted beside the system's; empty: none."""


def read_mail(url: str, *, sender: str, ca_file: str, is_test: bool, prefix: str) -> MailSettings | None:
    """The server at ``url``; None where that is empty. Raises ``ConfigError``.

    Without TLS only where nothing is worth anything (``is_test``): notices say who is paid what.
    """
    if not url:
        return None
    setting = f"{prefix}MAIL_URL"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(setting, f"not an address; accepted is {_ACCEPTED}") from None
    if parts.scheme not in SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(setting, f"not an address; accepted is {_ACCEPTED}")
    if parts.scheme == "smtp" and not is_test:
        raise ConfigError(setting, f"without TLS, which is for test networks alone; accepted is {_ACCEPTED}")
    if _ADDRESS.fullmatch(sender) is None:
        raise ConfigError(f"{prefix}MAIL_FROM", "not a mail address; accepted is name@host in ASCII")
    return MailSettings(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or SCHEMES[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender,
        ca_file=ca_file,
    )
