"""``policy show`` and ``people``: the rules in force in plain sentences, and who counts under them."""

from __future__ import annotations

from typing import Any

import typer

from custody.cli import house
from custody.cli.showing import Format, FormatOption, is_for_people, plain, print_sentence, show, show_whole, table

people = typer.Typer(help="Operators, their keys, and the groups they are in.", no_args_is_help=True)


def add_to(policy: typer.Typer) -> None:
    """Put ``show`` beside the other verbs of policies."""
    policy.command("show")(policy_show)


def policy_show(chosen: FormatOption = Format.TABLE) -> None:
    """Show the policy in force: each rule in a sentence, how often it decided of late, and proposals of the next.

    custody policy show
    """
    from custody.trust import operations as trust
    from custody.views.policy import policy_view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        found = plain(policy_view(session, trust.in_force(session), now=now))

    def in_words() -> None:
        print(f"{found['name']}, version {found['version']}, hash {found['hash']}\n")
        for rule in found["rules"]:
            print_sentence(f"{rule['title']} (decided {rule['uses']} of the last {found['looked_at']})", indent=2)
            print_sentence(f"  {rule['sentence']}", indent=2)
        if found["proposals"]:
            print("\n" + table(found["proposals"], ("code", "kind", "version", "subject"), fit=True))

    show_whole(found, chosen, in_words)


@people.command("list")
def people_list(chosen: FormatOption = Format.TABLE) -> None:
    """List operators with their keys and passkeys, and whether each counts.

    custody people list
    """
    rows = _people()["operators"]
    if is_for_people(chosen):
        rows = [
            each | {"means": [f"{item['name']}: {item['standing']}" for item in each["credentials"]]} for each in rows
        ]
    show(rows, ("operator=id", "groups", "means"), chosen)


@people.command("groups")
def groups(chosen: FormatOption = Format.TABLE) -> None:
    """List groups: their members, how many of them can speak now, and the most that a rule asks of each.

    custody people groups
    """
    show(_people()["groups"], ("group", "can_speak", "need", "members"), chosen)


def _people() -> dict[str, Any]:
    from custody.trust import operations as trust
    from custody.views.people import people_view

    with house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        found: dict[str, Any] = plain(people_view(session, trust.in_force(session), now=now))
    return found
