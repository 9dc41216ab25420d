"""``event listen --forward-to``: what is told, posted to a receiver on this machine as webhooks are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from custody.cli.exits import say

SECONDS: Final = 15.0
HERE: Final = "127.0.0.0/8, ::1/128"


class Forwarder:
    """Posts events under a secret of its own, which is said once, and says what came of each."""

    def __init__(self, url: str) -> None:
        """Raises ``InvalidInput`` for an address that is not on this machine."""
        from custody.kernel.errors import InvalidInput
        from custody.webhooks.places import PlaceRefused, Places, read_networks, read_url
        from custody.webhooks.signing import Secret
        from custody.webhooks.wire import Wire

        places, place = Places(read_networks(HERE)), read_url(url, field="forward-to")
        try:
            is_here = all(_is_here(address) for address in places.addresses(place))
        except PlaceRefused:
            is_here = False
        if not is_here:
            raise InvalidInput("accepted is an address on this machine: http://localhost:3000/", field="forward-to")
        self._url, self._secret, self._wire = url, Secret.fresh(), Wire(places, timeout_seconds=SECONDS)
        say(f"forwarding to {url}; these deliveries are signed with {self._secret.text}")

    def forward(self, event: Mapping[str, Any]) -> None:
        """Post one event. What is not taken is said, and not tried again."""
        from custody.kernel.canonical import canonical_json
        from custody.webhooks.signing import signed_headers
        from custody.webhooks.wire import NoAnswer

        body = canonical_json(dict(event))
        headers = signed_headers(str(event["id"]), body, [self._secret], now=datetime.now(UTC))
        try:
            outcome = str(self._wire.post(self._url, headers, body).status)
        except NoAnswer as error:
            outcome = str(error)
        say(f"{event['type']} {event['id']}: {outcome}")


def _is_here(address: str) -> bool:
    import ipaddress

    return ipaddress.ip_address(address).is_loopback
