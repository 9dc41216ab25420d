"""Telling operators who are not looking that something waits for them."""

from __future__ import annotations

import ssl

from config.chains import ConfigError
from config.mail import MailSettings
from custody.bootstrap import Runtime
from custody.notices.effect import tell
from custody.notices.sending import MailServer, Postman
from custody.webhooks.places import Places, read_networks
from custody.webhooks.signing import Sealer
from custody.webhooks.wire import Wire
from workers.unit import scheduled_task


@scheduled_task("notices.tell")
def tell_operators(runtime: Runtime) -> None:
    """By mail and webhook, as each of them chose; what is not taken waits for a later ring."""
    settings = runtime.settings
    places = Places(read_networks(settings.webhook_inside))
    mail_tls = _trusted(settings.mail.ca_file if settings.mail else "", "CUSTODY_MAIL_CA_FILE")
    tls = _trusted(settings.webhook_ca_file, "CUSTODY_WEBHOOK_CA_FILE")
    with Wire(places, tls=tls) as wire:
        postman = Postman(_server(settings.mail), mail_tls, wire)
        tell(runtime.database, postman, sealer=Sealer(runtime.seal_key))


def _server(mail: MailSettings | None) -> MailServer | None:
    if mail is None:
        return None
    return MailServer(mail.scheme, mail.host, mail.port, mail.user, mail.password, mail.sender)


def _trusted(ca_file: str, setting: str) -> ssl.SSLContext:
    """What certificates are checked against. Raises ``ConfigError``."""
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigError(setting, "cannot be read as certificates") from None
    return context
