"""Whose word counts: operators, groups and what is asked of them, and every version of the trust root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.parts import Row, Tone

PEOPLE: Final = "/console/people"
_TONES: Final[Mapping[str, Tone]] = {"counts": "ok", "cooling": "warn", "locked": "bad"}


def people(visit: Visit, shown: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Groups that are short of people first, then everybody, then the versions and who agreed to each."""
    short = [each for each in shown["groups"] if each["can_speak"] < each["need"]]
    return page(
        visit,
        "People",
        element("p", _said(short), class_="lead"),
        parts.table(
            "Groups",
            ("group", "members", "can speak now", "most a rule asks for", "stands"),
            [_group(each) for each in shown["groups"]],
            empty="No group is named.",
            numbers=(2, 3),
        ),
        parts.table(
            "Operators",
            ("operator", "groups", "speaks with", "stands", "last used here"),
            [row for each in shown["operators"] for row in _operator(visit, each)],
            empty="No operator is named.",
        ),
        _invitations(visit, shown["invitations"]),
        _candidates(visit, shown["candidates"]),
        parts.table(
            "Cosigners",
            ("cosigner", "keyset", "network", "signs", "stands", "last fetched a bundle"),
            [_cosigner(visit, each, names) for each in shown["cosigners"]],
            empty="No keyset is registered: nothing can be signed.",
        ),
        parts.table(
            "Back ends and services",
            ("name", "what it does", "keys"),
            [Row((each["id"], each["what"], str(each["keys"]))) for each in (*shown["requesters"], *shown["services"])],
            empty="None is named.",
            numbers=(2,),
        ),
        parts.table(
            "Versions of the trust root",
            ("version", "code", "by", "asked for by", "agreed", "in force since"),
            [_version(visit, each) for each in shown["versions"]],
            empty="None is in force.",
        ),
        parts.section(
            "Change who may speak",
            element(
                "p",
                "Nobody is enrolled or removed here: a change of people is proposed with custody trust propose, and "
                "agreed to with custody approve FILE. It is followed on the page of the policy.",
            ),
            element(
                "p",
                "A link by which somebody makes a passkey is printed by custody console invite NAME. It works once, "
                "within a day; what is made with it counts for nothing until a version names it.",
            ),
            element("p", "The version in force ends ", parts.moment(shown["expires_at"], visit.at), "."),
        ),
        current=PEOPLE,
    )


def _said(short: Sequence[Mapping[str, Any]]) -> str:
    if not short:
        return "Every rule can be met: each group has as many people who can speak as any rule asks for."
    first = short[0]
    return (
        f"What asks for {first['need']} of {first['group']} can be agreed to by nobody: {first['can_speak']} can "
        "speak. It stays where it is, and its money with it."
    )


def _group(group: Mapping[str, Any]) -> Row:
    spare = group["can_speak"] - group["need"]
    tone: Tone = "bad" if spare < 0 else ("warn" if spare == 0 and group["need"] else "ok")
    stands = {
        "bad": f"{-spare} too few",
        "warn": "just enough: not where a member asks for it",
        "ok": "enough",
    }[tone]
    return Row(
        (
            group["group"],
            ", ".join(group["members"]) or "nobody",
            str(group["can_speak"]),
            str(group["need"]),
            parts.tag(stands, tone),
        ),
        tone="bad" if tone == "bad" else "plain",
    )


def _operator(visit: Visit, operator: Mapping[str, Any]) -> list[Row]:
    groups = ", ".join(operator["groups"]) or "none: decides nothing"
    credentials = operator["credentials"] or [
        {"means": "", "name": "nothing: cannot speak", "standing": "locked", "counts_from": None, "used_at": None}
    ]
    return [_credential(visit, operator["id"], groups, each) for each in credentials]


def _credential(visit: Visit, name: str, groups: str, credential: Mapping[str, Any]) -> Row:
    stands, counts_from = credential["standing"], credential["counts_from"]
    words = stands
    if stands == "cooling" and counts_from is not None:
        words = f"cooling, counts in {parts.lasting(counts_from - visit.at)}"
    used = "not seen here" if credential["means"] == "key" else "never"
    return Row(
        (
            name,
            groups,
            element("span", f"{credential['means']} ", element("span", credential["name"], class_="mono")),
            parts.tag(words, _TONES[stands]),
            parts.moment(credential["used_at"], visit.at) if credential["used_at"] else used,
        )
    )


def _candidates(visit: Visit, candidates: Sequence[Mapping[str, Any]]) -> Markup | str:
    if not candidates:
        return ""
    return parts.table(
        "Registered, and counting for nothing yet",
        ("operator", "code", "registered"),
        [Row((each["operator"], each["code"], parts.moment(each["registered_at"], visit.at))) for each in candidates],
        empty="None waits.",
    )


def _invitations(visit: Visit, invitations: Sequence[Mapping[str, Any]]) -> Markup | str:
    if not invitations:
        return ""
    rows = [
        Row(
            (
                each["operator"],
                parts.moment(each["made_at"], visit.at),
                each["by"] or "not in the log",
                parts.moment(each["expires_at"], visit.at),
            )
        )
        for each in invitations
    ]
    return parts.table("Invited, and nothing made yet", ("operator", "since", "by", "until"), rows, empty="")


def _cosigner(visit: Visit, cosigner: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    why = cosigner["quarantined"]
    return Row(
        (
            cosigner["name"],
            cosigner["keyset"],
            listing.network(cosigner["chain"], names),
            cosigner["signs"],
            element("span", parts.tag("quarantined", "bad"), f" {why}") if why else parts.tag("counts", "ok"),
            listing.at(cosigner["last_seen_at"], visit.at, never="has fetched nothing yet"),
        ),
        tone="bad" if why else "plain",
    )


def version(visit: Visit, shown: Mapping[str, Any]) -> str:
    """One version of the trust root: what it changed, who agreed, and the code to compare."""
    by = shown["kind"].replace("_", " ")
    words = shown["changes"] or ["It is the first: everybody in it signed it in the ceremony."]
    return page(
        visit,
        f"Version {shown['version']} of the trust root",
        parts.section("What it changed", element("ul", *(element("li", line) for line in words), class_="plain mono")),
        parts.facts(
            ("code", element("span", shown["code"], class_="mono")),
            ("by", parts.link(by, f"/console/intents/{shown['digest']}") if shown["digest"] else by),
            ("asked for by", shown["requester"] or "everybody"),
            ("agreed", ", ".join(shown["agreed"])),
            ("in force since", parts.moment(shown["in_force_at"], visit.at) if shown["in_force_at"] else "not known"),
            ("good until", parts.moment(shown["expires_at"], visit.at)),
            ("hash", parts.hexadecimal(shown["hash"])),
        ),
        element("p", parts.link("Back to people", PEOPLE)),
        current=PEOPLE,
    )


def _version(visit: Visit, version: Mapping[str, Any]) -> Row:
    by = version["kind"].replace("_", " ")
    return Row(
        (
            parts.link(f"version {version['version']}", f"{PEOPLE}/versions/{version['version']}"),
            element("span", version["code"], class_="mono"),
            parts.link(by, f"/console/intents/{version['digest']}") if version["digest"] else by,
            version["requester"] or "everybody",
            ", ".join(version["agreed"]),
            parts.moment(version["in_force_at"], visit.at) if version["in_force_at"] else "",
        )
    )
