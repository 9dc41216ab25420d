"""The reader's own seat: an operator called ``you``, whose passkey a browser makes and two operators agree to.

The seat is there from the ceremony on, with a key that signs version 1 of the trust root and is kept nowhere. What the
reader can do comes with a passkey alone, and that comes by the road of every other change: a proposal, two operators'
signatures, the next version, its cooling period.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from custody.evidence import changes
from custody.evidence.codes import digest_code
from custody.evidence.passkeys import Credential
from custody.evidence.requests import OperatorChangeRequest
from custody.evidence.trust_root import TrustRoot
from custody.kernel.clock import rfc3339
from custody.kernel.errors import NotFound
from custody.kernel.ids import new_id
from custody.operators import queries as operators
from custody.trust.operations import in_force
from demo.child import ServerFailed
from demo.running import Running, tell_one_line

NAME: Final = "you"
ASKS, AGREE = "alice", ("bob", "carol")
COOLING_SECONDS: Final = 5
"""Of the demo's document; a real house takes days."""
_AGREED_WITHIN: Final = timedelta(seconds=15)
_SEATS: Final = "operators: [alice, bob, carol]"
_LIMIT_SECONDS: Final = 30.0


class NoPasskey(NotFound):
    """The reader's browser has not made a passkey yet."""

    code = "no-passkey"


def seat(policy: str) -> str:
    """The demo's policy with one more operator in the group that is asked."""
    if _SEATS not in policy:
        raise ServerFailed("states other operators than the story has", field="policies/documents/demo.yaml")
    return policy.replace(_SEATS, f"{_SEATS[:-1]}, {NAME}]")


def welcome(demo: Running) -> None:
    """Have alice ask for the newest passkey that ``you`` made, bob and carol agree, and wait until it counts."""
    with demo.runtime.database.unit() as unit:
        made = operators.candidates(unit.session, operator=NAME)
        trust = in_force(unit.session)
    if not made:
        raise NoPasskey(f"you have none yet; open {demo.left['link']} and make one", field="passkey")
    passkey = made[-1].credential
    if trust.root.operator_credential(NAME, passkey.id) is None:
        _propose(demo, trust.root, trust.policy_text, passkey)
        _await_in_force(demo, passkey)
    _await_cooling(demo, passkey)


def _propose(demo: Running, root: TrustRoot, policy: str, passkey: Credential) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + _AGREED_WITHIN
    new = changes.with_passkey(root, operator=NAME, credential=passkey, not_after=until, now=now)
    request = OperatorChangeRequest(
        requester=ASKS,
        version=new.version,
        root=new.hash,
        subject=NAME,
        purpose="the passkey that our guest made",
        not_after=until,
        idempotency_key=new_id("idm", now),
    )
    body = demo.person(ASKS).ask(request) | {"attachments": {"root": new.to_json(), "policy": policy}}
    digest = demo.api(ASKS).post("/v1/intents", body)["digest"]
    print(f"{ASKS} asks for version {new.version} of the trust root, which differs in this:")
    for line in changes.differences_in_words(root, new):
        print(f"  {line}")
    print(f"  the passkey's code is {digest_code(passkey.fingerprint)}: your page shows the same")
    for name in AGREE:
        demo.api(name).post(f"/v1/intents/{digest}/approvals", demo.person(name).say("approve", digest, until=until))
    print(f"{' and '.join(AGREE)} signed it with their own keys")


def _await_in_force(demo: Running, passkey: Credential) -> None:
    limit = time.monotonic() + _LIMIT_SECONDS
    while True:
        with demo.runtime.database.unit() as unit:
            root = in_force(unit.session).root
        if root.operator_credential(NAME, passkey.id) is not None:
            print(f"version {root.version} is in force; every cosigner walks there by itself")
            return
        if time.monotonic() > limit:
            raise ServerFailed(f"not in force within {_LIMIT_SECONDS:g} s", field="trust root")
        time.sleep(0.1)


def _await_cooling(demo: Running, passkey: Credential) -> None:
    with demo.runtime.database.unit() as unit:
        root, now = in_force(unit.session).root, unit.now
    counts_from = root.cooling.get(passkey.id, now)
    left = max(0, int((counts_from - now).total_seconds()) + 1)
    if counts_from > now:
        print(f"a new passkey cools before it counts: until {rfc3339(counts_from)}, {left} s from now")
        time.sleep(left)
    print(f"it counts. Sign in: {demo.left['console']}")


def main() -> int:
    """``python -m demo.newcomer``."""
    return tell_one_line(welcome)


if __name__ == "__main__":
    sys.exit(main())
