"""One withdrawal for people: the same facts in the same order as the console's page and the paper it prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from custody.cli.showing import Format, print_sentence, show_fields, table
from custody.cli.tables import at

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from custody.bootstrap import Runtime
    from custody.withdrawals.model import Withdrawal

STANDS: Final = (
    *("id", "kind", "status", "reason", "next_actor", "waiting_for", "expires_at", "client", "vault", "chain"),
    "requested_at",
)
"""Where it stands and whose it is."""
FACTS: Final = {
    "digest_code": "digest_code",
    "intent_digest": "intent_digest",
    "destination": "destination",
    "amount": "amount.decimal",
    "asset": "asset.code",
    "max_fee": "max_fee.decimal",
    "fee_asset": "fee_asset",
    "held": "held.decimal",
    "fee": "fee.decimal",
    "reference": "reference",
}
"""What is signed and what it costs, and where the object has it."""
ATTEMPTS: Final = ("sequence", "state", "fee=fee.base_units", "gas=gas.base_units", "vsize", "txid")


def shown_to_people(session: Session, runtime: Runtime, found: Withdrawal, now: datetime) -> dict[str, Any]:
    """Everything the console shows of it, to nobody in particular."""
    from custody.approvals import queries as approvals
    from custody.trust import operations as trust
    from custody.views.deciding import deciding

    filed = approvals.get(session, digest=found.digest)
    root, read_out = trust.in_force(session), runtime.settings.read_out
    return deciding(session, filed, trust=root, operator="", now=now, read_out=read_out)


def print_withdrawal(whole: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
    """Print what it is and where it stands, findings, words and code, money, policy, people, steps and attempts."""
    from custody.views.deciding import headline
    from custody.views.findings import SPOKEN

    print_sentence(headline(shown))
    show_fields({name: whole[name] for name in STANDS}, Format.TABLE)
    print()
    for each in shown["findings"]:
        print_sentence(f"{SPOKEN[each['level']]}: {each['sentence']}", indent=2)
    print()
    for line in shown["words"]:
        print_sentence(line, indent=2)
    print()
    listed = shown["destination_name"] or "on no list of the client"
    show_fields({**{head: at(whole, path) for head, path in FACTS.items()}, "listed as": listed}, Format.TABLE)
    print()
    print_sentence(f"policy: {shown['decision']['explanation'][0]}", indent=2)
    for each in shown["people"]:
        why = shown["reasons"].get(each["name"], "")
        print_sentence(f"{each['name']} {each['stands']}{f': {why}' if why else ''}", indent=2)
    print_sentence(f"missing: {_missing(whole['missing_approvals'])}")
    print("\n" + table(whole["steps"], ("step", "to", "event", "actor", "at"), fit=True))
    print("\n" + table(whole["attempts"], ATTEMPTS))


def _missing(groups: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {group}" for group, count in groups.items()) or "nobody"
