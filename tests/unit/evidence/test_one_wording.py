"""One intent of every kind has one wording and one code: API, console, command line and the keyholders' program."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.api.console.pages.intents import intent as console_page
from custody.approvals.queries import FiledIntent
from custody.approvals.saying import words_of
from custody.cli import subjects
from custody.cosigner.opinion import Opinion
from custody.cosigner.papers import opinion_of_paper
from custody.evidence.codes import digest_code
from custody.evidence.intents import NOWHERE, Intent, VaultName, in_the_house
from custody.evidence.requests import FORMAT, KINDS, parse_request, request_message, spelling_of
from custody.evidence.signatures import sign_ed25519
from custody.evidence.words import say
from custody.kernel.clock import rfc3339
from custody.notices import wording as notices
from custody.notices.model import Item
from custody.trust.assets import KnownAssets
from custody.views.objects import intent_view
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.tally import Tally
from tests.cosigner.builders import DEMO_POLICY, KEYSET, NOW, REGTEST, World, address, key_id, person_key
from tests.support.console import alone, at_console

ROOT = World().root
VALUES: dict[str, Any] = {
    "requester": "exchange", "client": "acme", "asset": REGTEST.asset.id, "amount": "12345678",
    "destination": address("somebody"), "max_fee": "20000", "purpose": "order <17> & \"co\"", "of": "ab" * 32,
    "txid": "cd" * 32, "position": 1, "address": address("ours"), "out_of": f"{KEYSET}/1", "to": f"{KEYSET}/2",
    "index": 3, "debit": "available", "credit": "suspense", "secured_party": "venue", "pledge": "plg_1",
    "name": "Acme", "segregation": "segregated", "keyset": KEYSET, "branch": 7, "chain": REGTEST.chain,
    "label": "cold wallet", "action": "list", "scope": "client", "subject": "acme", "resolution": "explained",
    "version": 2, "root": "ef" * 32, "not_after": rfc3339(NOW + timedelta(days=1)), "idempotency_key": "key-1",
}  # fmt: skip
OTHER: dict[str, dict[str, Any]] = {"pledge": {"position": "pos_1"}, "break_resolution": {"subject": "brk_1"}}


def intent_of(kind: str) -> Intent:
    given = {name: {**VALUES, **OTHER.get(kind, {})}[name] for name in spelling_of(kind)}
    request = parse_request({"format": FORMAT, "kind": kind, **given})
    if (
        hasattr(request, "asset") and kind not in ("manual_entry", "pledge", "pledge_release")
    ) or kind == "client_opening":
        return Intent(request, REGTEST.chain, VaultName(KEYSET, 7))
    return in_the_house(request)


def filed(intent: Intent) -> FiledIntent:
    signature = sign_ed25519(person_key("exchange"), key_id("exchange"), request_message(intent.request))
    decision = evaluate(
        load_document(DEMO_POLICY), Facts(kind=intent.kind, requester="exchange", now=NOW), nothing_used
    )
    return FiledIntent(
        digest=intent.digest,
        intent=intent,
        request_signature=signature,
        request_hash=request_message(intent.request).hex(),
        decision=decision,
        state="pending",
        client="acme",
        not_after=intent.request.not_after,
        not_before=None,
        created_at=NOW,
    )


def shown_by_the_api(intent: Intent) -> dict[str, Any]:
    return intent_view(
        filed(intent),
        given=(),
        tally=Tally((), {"operators": 1}, met=False),
        missing={},
        assets=KnownAssets({}),
        now=NOW,
    )


def shown_by_the_cosigner(view: dict[str, Any]) -> Opinion:
    return opinion_of_paper(json.loads(json.dumps(view)), root=ROOT, policy="", now=NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_every_door_says_the_same_words_and_code(kind: str, tmp_path: Path) -> None:
    intent = intent_of(kind)
    own = None if intent.chain == NOWHERE else REGTEST.asset
    words = say(intent, asset=REGTEST.asset if hasattr(intent.request, "asset") else None, fee_asset=own)
    code = digest_code(intent.digest)
    assert words[-1] == f"code {code}"

    view = shown_by_the_api(intent)
    assert (view["words"], view["code"]) == (words, code)

    page = console_page(at_console("alice"), alone(view))
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert [line for line in words[:-1] if " ".join(line.split()) not in text] == []
    assert code in text
    assert intent.digest in text

    file = tmp_path / "intent.json"
    file.write_text(json.dumps(view))
    assert subjects.words_of(subjects.read_intent(str(file))) == words

    item = Item(intent.digest, code, kind, "acme", words_of(filed(intent), KnownAssets({})), NOW, is_reminder=False)
    assert notices.text([item], operator="alice", house="demo").startswith("\n".join(words) + "\n")
    told = json.loads(notices.document("ntc_1", [item], operator="alice", house="demo", now=NOW))["data"]["intents"][0]
    assert (told["words"], told["code"], told["digest"]) == (words, code, intent.digest)

    opinion = shown_by_the_cosigner(view)
    assert list(opinion.words) == words
    assert opinion.digests == (intent.digest,)
    assert opinion.may, opinion.why


def test_a_page_that_says_something_else_is_not_believed(tmp_path: Path) -> None:
    """What is typed into the words of an API's answer is in nobody's words: they are made of the document."""
    view = shown_by_the_api(intent_of("withdrawal"))
    lied = {**view, "words": ["Pay 0.00000001 BTC to a friend"], "code": "0000 0000 0000 0000"}
    assert list(shown_by_the_cosigner(lied).words) == view["words"]
    file = tmp_path / "intent.json"
    file.write_text(json.dumps(lied))
    assert subjects.words_of(subjects.read_intent(str(file))) == view["words"]
