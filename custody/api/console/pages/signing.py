"""What will be signed: the bytes decoded, every hash, what a device shows, and which attempts exclude each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.markup import Markup, element, joined
from custody.api.console.parts import Row, Tone

_STATES: Final[dict[str, Tone]] = {"abandoned": "plain", "confirmed": "ok", "composed": "info"}


def signed(shown: Mapping[str, Any]) -> Markup:
    """The attempts, newest first, each decoded; before there is one, what is known."""
    attempts = list(reversed(shown["signed"]))
    tense = "What will be signed" if any(each["state"] == "composed" for each in attempts) else "What was signed"
    return element(
        "div",
        parts.section(tense, *(_attempt(each) for each in attempts), id_="decoded") if attempts else _not_yet(shown),
        _exclusive(shown) if attempts else "",
        _document(shown),
    )


def _not_yet(shown: Mapping[str, Any]) -> Markup:
    """Nothing is composed: what stands in the intent is what the bytes will be held against."""
    if shown.get("amount") is None or not shown.get("destination"):
        return parts.section(
            "What will be signed",
            element("p", "This pays nobody. What is agreed to is the document below, whole."),
            id_="decoded",
        )
    if shown["state"] not in ("pending", "approved"):
        return parts.section(
            "What will be signed",
            element("p", f"Nothing: this is {shown['state']}, and no bytes were ever made for it."),
            id_="decoded",
        )
    amount = f"{shown['amount']['decimal']} {shown['asset']['code']}"
    return parts.section(
        "What will be signed",
        element("p", "Nothing is composed yet. Cosigners sign only bytes that do this, and check it themselves."),
        parts.facts(
            ("pays", amount),
            ("to", parts.address(shown["destination"])),
            ("fee", "known once it is composed; the most that is allowed stands above"),
            ("hashes", "known once it is composed; until then the code above names this payment"),
        ),
        element("h3", "What your device will show"),
        element("p", f"The amount {amount} and the address above; fee and hashes come with the bytes."),
        id_="decoded",
    )


def _attempt(each: Mapping[str, Any]) -> Markup:
    title = element("h3", f"Attempt {each['sequence']} ", parts.tag(each["state"], _STATES.get(each["state"], "info")))
    trouble = element("p", parts.tag("Stop", "bad"), f" It {each['problem']}.", class_="bad") if each["problem"] else ""
    if not each["operation"]:
        return element("div", title, trouble, parts.facts(("spend", parts.hexadecimal(each["spend"]))))
    outputs = [
        Row((str(place), parts.address(out["address"]), _amount(out["amount"]), out["what"]))
        for place, out in enumerate(each["outputs"], start=1)
    ]
    fee = "paid by whoever carries it, never out of the Safe" if each["fee"] is None else _amount(each["fee"])
    hashes = [(hash_["name"], parts.hexadecimal(hash_["value"])) for hash_ in each["hashes"]]
    return element(
        "div",
        title,
        trouble,
        parts.table(
            f"Outputs of attempt {each['sequence']}",
            ("number", "to", "amount", "what it is"),
            outputs,
            empty="It pays nobody: it uses its number up.",
        ),
        parts.facts(("network fee", fee), ("signed as", each["operation"]), *hashes, class_="exact"),
        element("p", each["about_hashes"], class_="soft") if each["about_hashes"] else "",
        parts.disclosure(
            "What your device will show",
            *(_screen(screen) for screen in each["screens"]),
            id_=f"device-{each['sequence']}",
        ),
    )


def _screen(screen: Mapping[str, Any]) -> Markup:
    return element(
        "div",
        element("h4", screen["device"].capitalize()),
        parts.facts(*((line["label"], line["value"]) for line in screen["lines"]), class_="exact"),
        element("p", f"Not shown: {'; '.join(screen['not_shown'])}."),
    )


def _exclusive(shown: Mapping[str, Any]) -> Markup:
    """Every attempt with what it takes: one coin or turn that all of them take lets one confirm."""
    found = shown["signed"]
    alive = [each for each in found if each["state"] != "abandoned"]
    said = ""
    if len(alive) > 1 and alive[0]["shared"]:
        said = f"At most one of these can confirm: all of them take {', '.join(alive[0]['shared'])}."
    rows = [
        Row(
            (str(each["sequence"]), parts.one(each["state"]), parts.hexadecimal(each["spend"]), _claims(each["claims"]))
        )
        for each in found
    ]
    return element(
        "div",
        parts.table("Attempts", ("number", "state", "transaction", "takes"), rows, empty=""),
        element("p", said) if said else "",
    )


def _claims(claims: list[str]) -> Markup:
    return joined(*(element("span", each, class_="mono whole") for each in claims))


def _amount(amount: Mapping[str, str]) -> Markup:
    return parts.amount(amount["decimal"], amount["code"])


def _document(shown: Mapping[str, Any]) -> Markup:
    """What stands in the intent, field by field, and the same raw: nothing is hidden behind a hover."""
    request = shown["document"]["request"]
    rows = [(name.replace("_", " "), _plain(value)) for name, value in sorted(request.items())]
    return element(
        "div",
        parts.disclosure(
            "What was asked for, field by field",
            element("p", "Cosigners sign what carries out exactly this, and check it against this digest."),
            parts.facts(*rows, ("intent digest", shown["digest"]), class_="exact"),
            id_="asked",
        ),
        parts.disclosure(
            "Raw",
            element("pre", json.dumps(shown["document"], indent=1, ensure_ascii=True), tabindex="0"),
            element("pre", json.dumps(shown["request_signature"], indent=1), tabindex="0"),
            id_="raw",
        ),
    )


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=True)
