"""Why a signed call is not let in."""

from __future__ import annotations

from custody.api.problems import Unauthenticated


class SignatureRefused(Unauthenticated):
    """A signed call is not as it must be; ``field`` is the part that is wrong. HTTP 401."""

    code = "call-signature-refused"


class CallReplayed(SignatureRefused):
    """A call with this nonce came before, under the same key. HTTP 401."""

    code = "call-replayed"
