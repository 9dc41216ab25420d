"""Sending letters: mail over SMTP with TLS, webhooks over the same judged wire as all others. No database is known."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as LINES
from typing import Final

import structlog

from custody.kernel.errors import CustodyError
from custody.notices.model import MAIL, Letter, Outcome
from custody.webhooks.wire import NoAnswer, Wire

TIMEOUT_SECONDS: Final = 15.0

log = structlog.get_logger("custody.notices")


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """Where mail is handed over. Has no readable ``repr``: it holds a password."""

    scheme: str
    """``smtps``, ``smtp+starttls``, or ``smtp`` for none of both."""
    host: str
    port: int
    user: str
    password: str
    sender: str


@dataclass(frozen=True, slots=True, repr=False)
class Postman:
    """Takes letters out. Without a mail server mail waits, and says so. Has no readable ``repr``."""

    mail: MailServer | None
    tls: ssl.SSLContext
    wire: Wire

    def deliver(self, letters: Sequence[Letter]) -> list[Outcome]:
        """Send each; whatever happens is an outcome. A mail server that cannot be reached is tried once."""
        found: list[Outcome] = []
        unreachable = ""
        for letter in letters:
            if letter.kind != MAIL:
                found.append(Outcome(letter.message, self._push(letter)))
                continue
            try:
                problem = unreachable or self._mail(letter)
            except _Unreachable as error:
                problem = unreachable = str(error)
            except Exception as error:
                # One letter that cannot be written must not have those before it sent again.
                log.exception("mail failed", message=letter.message)
                problem = f"not sent: {type(error).__name__}"
            found.append(Outcome(letter.message, problem or None))
        return found

    def _push(self, letter: Letter) -> str | None:
        try:
            answer = self.wire.post(letter.address, letter.headers, letter.body)
        except CustodyError as error:
            return f"not sent: {error.message}"
        except NoAnswer as error:
            return str(error)
        except Exception as error:
            log.exception("webhook failed", message=letter.message)
            return f"not sent: {type(error).__name__}"
        return None if 200 <= answer.status < 300 else f"answered {answer.status}"

    def _mail(self, letter: Letter) -> str:
        """Empty where the server took it. What a server writes is not repeated: it may quote the letter."""
        if self.mail is None:
            return "no mail server is set: CUSTODY_MAIL_URL"
        server = self._connected(self.mail)
        try:
            server.send_message(_written(letter, self.mail.sender), self.mail.sender, [letter.address])
        except smtplib.SMTPRecipientsRefused as error:
            code, _ = next(iter(error.recipients.values()))
            return f"the mail server refused the address with {code}"
        except smtplib.SMTPResponseException as error:
            return f"the mail server answered {error.smtp_code}"
        except (smtplib.SMTPException, OSError) as error:
            return f"the mail server took nothing: {type(error).__name__}"
        finally:
            # What was taken is taken, whatever is said at parting.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()
        return ""

    def _connected(self, mail: MailServer) -> smtplib.SMTP:
        """A connection on which everything is encrypted but with ``smtp``. Raises ``_Unreachable``."""
        here = mail.sender.rpartition("@")[2]
        try:
            if mail.scheme == "smtps":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    mail.host, mail.port, local_hostname=here, timeout=TIMEOUT_SECONDS, context=self.tls
                )
            else:
                server = smtplib.SMTP(mail.host, mail.port, local_hostname=here, timeout=TIMEOUT_SECONDS)
            if mail.scheme == "smtp+starttls":
                # Raises where the server offers none: nothing is ever said without it.
                server.starttls(context=self.tls)
            if mail.user:
                server.login(mail.user, mail.password)
        except ssl.SSLError:
            raise _Unreachable("the mail server's certificate is not valid for its name, or TLS failed") from None
        except smtplib.SMTPResponseException as error:
            raise _Unreachable(f"the mail server let nobody in: {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise _Unreachable(f"the mail server cannot be used: {type(error).__name__}") from None
        return server


class _Unreachable(Exception):
    """No mail leaves for now; the message says why."""


def _written(letter: Letter, sender: str) -> EmailMessage:
    """The mail. Its id is the message's: who gets it twice can tell."""
    mail = EmailMessage(policy=LINES)
    mail["From"], mail["To"], mail["Subject"] = sender, letter.address, letter.subject
    mail["Date"] = letter.at
    mail["Message-ID"] = f"<{letter.message}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.body.decode())
    return mail
