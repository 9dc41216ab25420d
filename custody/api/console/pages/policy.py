"""The policy: its rules as cards, what it would answer, what another document would change, and proposing that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.parts import Row, Tone
from policies.vocabulary import KINDS

POLICY: Final = "/console/policy"
_TONES: Final[Mapping[str, Tone]] = {"permit": "ok", "require": "warn", "forbid": "bad"}
_ORDER: Final = ("forbid", "require", "permit")
_CODES: Final = ("", "listed", "cooling", "new", "own")


@dataclass(frozen=True, slots=True)
class Explained:
    """What was asked of the policy, and what it answered, one line each; or what was wrong with the question."""

    asked: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[str] = ()
    problem: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """A document that is not in force, and what it would change: lines under a title."""

    document: str
    title: str = ""
    lines: Sequence[str] = ()
    rows: Sequence[tuple[str, str, str]] = ()
    problem: str = ""


def policy(visit: Visit, shown: Mapping[str, Any], explained: Explained) -> str:
    """What is proposed, the box that explains, then the rules: what forbids first."""
    return page(
        visit,
        "Error: Policy" if explained.problem else "Policy",
        element(
            "p",
            "Money leaves only where a rule permits it and none forbids it: "
            f"{shown['name']}, version {shown['version']}.",
            class_="lead",
        ),
        _proposals(shown["proposals"], shown["root_version"]),
        _ask(explained, shown["assets"]),
        parts.section(
            "Change it",
            element(
                "p",
                parts.link("Compare, replay or propose another document …", f"{POLICY}/draft", class_="button"),
                parts.link("The document in force, as a file", f"{POLICY}/document", class_="button"),
                class_="pager",
            ),
        ),
        *(_rules(visit, kind, shown) for kind in _ORDER),
        parts.facts(("hash", shown["hash"]), ("trust root", f"version {shown['root_version']}"), class_="exact"),
        current=POLICY,
    )


def draft(visit: Visit, tried: Tried, *, days: int) -> str:
    """A document to try: how it stands to the one in force, what it would have changed, and proposing it."""
    return page(
        visit,
        f"Error: {tried.title}" if tried.problem else (tried.title or "Try another policy"),
        element(
            "p",
            "Nothing here changes what is paid: a document counts once it was proposed and agreed to.",
            class_="lead",
        ),
        _found(tried),
        parts.form(
            f"{POLICY}/draft",
            parts.entry("Document", "document", hint="The whole document, YAML.", value=tried.document, lines=24),
            parts.entry("Days to replay", "days", hint="1 to 31.", value=str(days)),
            element(
                "p",
                parts.button("Compare with the one in force", name="do", value="compare"),
                parts.button("Replay what was asked for", name="do", value="replay"),
                parts.button("Check it and propose …", name="do", value="propose"),
                class_="pager",
            ),
            id_="draft",
        ),
        element("p", parts.link("Back to the policy", POLICY, class_="button")),
        current=POLICY,
    )


def _found(tried: Tried) -> Markup | str:
    if tried.problem:
        return element(
            "section",
            element("h2", "Nothing was asked for, and nothing has changed"),
            element("p", tried.problem),
            class_="problem",
            role="alert",
            id="problem",
            tabindex="-1",
        )
    if not tried.lines and not tried.rows:
        return ""
    listed = element("ul", *(element("li", line) for line in tried.lines))
    table = (
        parts.table(
            "Who would be asked how often",
            ("who", "before", "after"),
            [Row(each) for each in tried.rows],
            empty="",
            numbers=(1, 2),
        )
        if tried.rows
        else ""
    )
    return parts.section("What was found", listed, table, id_="found")


def _rules(visit: Visit, kind: str, shown: Mapping[str, Any]) -> Markup:
    rules = [each for each in shown["rules"] if each["kind"] == kind]
    return parts.table(
        {"forbid": "What never goes", "require": "What is asked for", "permit": "What may go"}[kind],
        ("rule", "what it says", _uses_head(shown), "last"),
        [
            Row(
                (
                    element("span", parts.tag(kind, _TONES[kind]), f" {each['title']}"),
                    each["sentence"],
                    str(each["uses"]),
                    parts.moment(each["last"], visit.at) if each["last"] else "not seen",
                )
            )
            for each in rules
        ],
        empty="No rule of this kind.",
        numbers=(2,),
    )


def _uses_head(shown: Mapping[str, Any]) -> str:
    if shown["looked_at"] < shown["looked_at_most"]:
        return "uses in 7 days"
    return f"uses in the newest {shown['looked_at_most']} requests"


def _proposals(proposals: Sequence[Mapping[str, Any]], version: int) -> Markup:
    return element(
        "div",
        parts.table(
            f"Proposed as version {version + 1} of the trust root",
            ("what", "code", "asked for by", "agreed", "takes", "stands", "file"),
            [_proposal(each) for each in proposals],
            empty="Nothing is proposed.",
        ),
        _how_to_agree() if proposals else "",
        id="proposals",
    )


def _proposal(proposal: Mapping[str, Any]) -> Row:
    digest = proposal["digest"]
    said = [*(f"{name} ✓" for name in proposal["agreed"]), *(f"{name} ✗" for name in proposal["rejected"])]
    return Row(
        (
            parts.link(proposal["kind"].replace("_", " "), f"/console/intents/{digest}"),
            element("span", proposal["code"], class_="mono"),
            proposal["requester"],
            ", ".join(said) or "nobody yet",
            proposal["needs"] or "nobody else",
            parts.tag(proposal["state"], "warn" if proposal["state"] == "pending" else "plain"),
            parts.link("proposal.json", f"{POLICY}/proposals/{digest}"),
        ),
        version=f"{proposal['state']} {' '.join(said)}",
    )


def _how_to_agree() -> Markup:
    command = (
        "custody approve proposal.json --root root.json --policy policy.yaml \\\n"
        "  --as YOUR-NAME --key YOUR-KEY.pem --token-file YOUR-NAME.token"
    )
    return parts.disclosure(
        "How to agree to it",
        element("p", "On a machine of your own, beside the trust root and the policy that you keep yourself:"),
        element("pre", command),
        element("p", "It says every difference and the code, and signs what it has shown. No passkey agrees to rules."),
    )


def _ask(explained: Explained, assets: Sequence[Mapping[str, str]]) -> Markup:
    asked = explained.asked
    answer = (
        element("ul", *(element("li", line) for line in explained.lines), id="answer", class_="words")
        if explained.lines
        else ""
    )
    return parts.section(
        "What would it answer?",
        element("p", "As if the books balance, nothing is pledged, and screening is clear.", class_="soft"),
        parts.form(
            POLICY,
            parts.choice(
                "Kind", "kind", [(each, each) for each in sorted(KINDS)], chosen=asked.get("kind", "withdrawal")
            ),
            parts.entry(
                "Client",
                "client",
                hint="Its id. For nobody, what asks about the client is unknown.",
                value=asked.get("client", ""),
                problem=_wrong(explained, "client"),
            ),
            parts.choice(
                "Asset",
                "asset",
                [("", "any"), *((code, code) for code in sorted({each["code"] for each in assets}))],
                chosen=asked.get("asset", ""),
            ),
            parts.entry(
                "Amount",
                "amount",
                hint="In whole units of the asset: 0.25",
                value=asked.get("amount", ""),
                problem=_wrong(explained, "amount"),
            ),
            parts.choice(
                "Destination",
                "destination",
                [(each, each or "not known") for each in _CODES],
                chosen=asked.get("destination", ""),
            ),
            parts.button("Explain"),
            method="get",
            class_="filters",
            id_="explain",
        ),
        answer,
    )


def _wrong(explained: Explained, name: str) -> str:
    return explained.problem if explained.field == name else ""
