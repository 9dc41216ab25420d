"""What differs between two versions of the trust root is said, all of it, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.cli.exits import INVALID, REFUSED, run
from custody.cli.main import app
from custody.evidence.approvals import Approval, check_approval
from custody.evidence.changes import differences_in_words, with_passkey
from custody.evidence.codes import digest_code
from custody.evidence.passkeys import Console
from custody.evidence.requests import RuleChange, parse_request
from custody.evidence.succession import differing
from custody.evidence.trust_root import Person, PriceRules, Service, TrustRoot
from custody.kernel.errors import InvalidInput
from policies.document import document_hash
from tests.cosigner.builders import DELAYED, DEMO_POLICY, NOW, World, key_id, person_key
from tests.support.passkeys import CONSOLE, Passkey, PasskeyWorld

ROOT = PasskeyWorld().root
NEXT = replace(ROOT, version=2, previous=ROOT.hash)
OTHERS = World(operators=("alice", "bob", "carol", "dora"), requesters=("exchange", "shop")).root
DORA = OTHERS.operators[3]
Change = Callable[[TrustRoot], TrustRoot]


def without(root: TrustRoot, name: str) -> tuple[Person, ...]:
    return tuple(person for person in root.operators if person.id != name)


def with_key(person: Person) -> Person:
    return replace(person, keys=(*person.keys, *DORA.keys))


CHANGES: Mapping[str, tuple[Change, str]] = {
    "enrolled": (lambda root: replace(root, operators=(*root.operators, DORA)), "Operator dora is enrolled"),
    "removed": (lambda root: replace(root, operators=without(root, "bob")), "Operator bob is removed"),
    "key gained": (
        lambda root: replace(
            root,
            operators=(*without(root, "bob"), replace(root.operators[1], keys=(*root.operators[1].keys, *DORA.keys))),
        ),
        "Operator bob gains the key dora-1",
    ),
    "key swapped": (
        lambda root: replace(root, operators=(*without(root, "bob"), replace(root.operators[1], keys=DORA.keys))),
        "Operator bob loses the key bob-1",
    ),
    "passkey lost": (
        lambda root: replace(root, operators=(*without(root, "bob"), replace(root.operators[1], credentials=()))),
        "Operator bob loses the passkey",
    ),
    "back end": (lambda root: replace(root, requesters=OTHERS.requesters), "Back end shop is enrolled"),
    "group gains": (
        lambda root: replace(root, groups={**root.groups, "risk": ("alice",)}),
        "Group risk is new",
    ),
    "group loses": (lambda root: replace(root, groups={"operators": ("alice", "bob")}), "Group operators loses carol"),
    "group gone": (lambda root: replace(root, groups={}), "Group operators is taken away"),
    "group twisted": (
        lambda root: replace(root, groups={"operators": ("carol", "bob", "alice")}),
        "Group operators names the same people in another way",
    ),
    "keyset added": (
        lambda root: replace(root, keysets=(*root.keysets, replace(root.keysets[0], id="kst_new"))),
        "Keyset kst_new is added",
    ),
    "keyset edited": (
        lambda root: replace(root, keysets=(replace(root.keysets[0], threshold=1),)),
        "Keyset kst_demo is edited, which no version may do",
    ),
    "keyset gone": (lambda root: replace(root, keysets=()), "Keyset kst_demo is taken away"),
    "policy": (
        lambda root: replace(root, policy_hash=document_hash(DELAYED)),
        "  policy with:    delay: 1h",
    ),
    "cooling of one": (
        lambda root: replace(root, cooling={"bob-1": NOW}),
        "bob-1 counts from 2026-11-22T12:00:00.000000Z, where it counted from the beginning",
    ),
    "cooling of all": (lambda root: replace(root, cooling_seconds=60), "cooling_seconds becomes 60, where it was 0"),
    "expiry": (lambda root: replace(root, expires_at=NOW), "expires_at becomes 2026-11-22T12:00:00.000000Z"),
    "name": (lambda root: replace(root, name="other"), "name becomes other, where it was demo"),
    "asset": (
        lambda root: replace(root, assets=(replace(root.assets[0], decimals=9),)),
        "assets becomes ",
    ),
    "service": (lambda root: replace(root, services=(Service("clock", ("status",), ()),)), "services becomes "),
    "console": (
        lambda root: replace(root, console=Console("https://evil.tld", "evil.tld")),
        'console becomes {"origin": "https://evil.tld"',
    ),
    "prices": (lambda root: replace(root, prices=PriceRules(max_age_seconds=1)), "prices becomes "),
}


def said(new: TrustRoot) -> list[str]:
    return differences_in_words(ROOT, new, policy_before=DEMO_POLICY, policy_after=DELAYED)


@pytest.mark.parametrize("name", CHANGES)
def test_says_what_changes(name: str) -> None:
    change, words = CHANGES[name]
    found = said(change(NEXT))
    assert any(line.startswith(words) for line in found), found


def test_says_something_of_every_part_of_a_root_that_can_change() -> None:
    """The list above changes every part there is, so that nothing of a later root goes unsaid."""
    changed = set().union(*(differing(ROOT, change(NEXT)) for change, _ in CHANGES.values()))
    assert changed | {"expires_at"} == set(ROOT.to_json()) - {"format", "version", "previous", "created_at"}


def test_says_nothing_where_nothing_changes() -> None:
    assert said(NEXT) == []


def test_puts_a_passkey_in_where_it_begins_to_count_after_its_cooling() -> None:
    old, passkey = replace(ROOT, cooling_seconds=3_600), Passkey("bob-phone").credential
    ends = NOW + timedelta(hours=1)
    new = with_passkey(old, operator="bob", credential=passkey, not_after=ends, now=NOW)
    assert differing(old, new) == {"operators", "cooling"}
    (line, cooling) = differences_in_words(old, new)
    assert line == (
        f"Operator bob gains the passkey {passkey.id} with code {digest_code(passkey.fingerprint)}, "
        "which counts from 2026-11-22T14:00:00.000000Z"
    )
    assert cooling.startswith(f"{passkey.id} counts from ")
    assert not new.counts(passkey.id, ends)
    with pytest.raises(InvalidInput, match="already"):
        with_passkey(new, operator="bob", credential=passkey, not_after=ends, now=NOW)
    with pytest.raises(InvalidInput, match="no operator"):
        with_passkey(old, operator="mallory", credential=passkey, not_after=ends, now=NOW)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's own machine: the root and policy in force, a passkey's file, keys. No house and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUSTODY_API_TOKEN_FILE", raising=False)
    (tmp_path / "root.json").write_text(json.dumps(PasskeyWorld().signed_root.to_json()))
    (tmp_path / "policy.yaml").write_text(DEMO_POLICY)
    (tmp_path / "passkey.json").write_text(json.dumps(Passkey("bob-phone").credential.to_json()))
    for name in ("alice", "bob"):
        pem = person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.pem").write_bytes(pem)
    return tmp_path


def command(*arguments: str) -> int:
    return run(app, [*arguments, "--yes"])


PROPOSE = (
    *("passkey", "propose", "passkey.json", "--for", "bob", "--root", "root.json", "--policy", "policy.yaml"),
    *("--as", "bob", "--key", "bob.pem", "--out", "proposal.json"),
)
AGREE = ("approve", "proposal.json", "--root", "root.json", "--as", "alice", "--key", "alice.pem", "--out", "said.json")


def test_a_proposal_is_read_and_agreed_to_without_any_house(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*PROPOSE) == 0
    capsys.readouterr()
    assert command(*AGREE) == 0
    shown = capsys.readouterr().err
    assert f"- Operator bob gains the passkey {Passkey('bob-phone').credential.id}" in shown
    proposal = json.loads((desk / "proposal.json").read_text())
    request = parse_request(proposal["request"])
    assert isinstance(request, RuleChange)
    approval = Approval.parse(json.loads((desk / "said.json").read_text()))
    person = check_approval(
        approval,
        digest=approval.statement.digest,
        requester="bob",
        request_not_after=request.not_after,
        root=ROOT,
        now=approval.statement.given_at,
        passkeys=False,
    )
    assert person == "alice"
    assert approval.signature.key == key_id("alice")


def spoil(document: Any, path: str, value: Any) -> None:
    *way, last = path.split(".")
    for step in way:
        document = document[step]
    document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "code", "why"),
    [
        ("request.root", "ab" * 32, REFUSED, "file.request.root: asks for another version than the one beside it"),
        ("attachments.root.name", "other", REFUSED, "file.request.root: asks for another version"),
        ("attachments.policy", "policy: other", REFUSED, "file.attachments.policy: is another policy"),
        ("attachments", {}, INVALID, "file.attachments: missing: the proposed version and its policy"),
        ("request.kind", "group_change", REFUSED, "file.attachments.root: a group_change changes operators as well"),
    ],
)
def test_a_proposal_whose_parts_do_not_belong_together_is_not_agreed_to(
    desk: Path, capsys: pytest.CaptureFixture[str], path: str, value: Any, code: int, why: str
) -> None:
    command(*PROPOSE)
    document = json.loads((desk / "proposal.json").read_text())
    spoil(document, path, value)
    (desk / "proposal.json").write_text(json.dumps(document))
    capsys.readouterr()
    assert command(*AGREE) == code
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {why}")
    assert not (desk / "said.json").exists()


def test_a_proposal_is_not_agreed_to_beside_another_root_than_it_follows(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(*PROPOSE)
    (desk / "root.json").write_text(json.dumps(replace(ROOT, name="mine").to_json()))
    assert command(*AGREE) == REFUSED
    assert "does not follow the version you keep" in capsys.readouterr().err
    assert command(*AGREE[:2], *AGREE[4:]) == INVALID
    assert "say --root FILE" in capsys.readouterr().err


def test_console_is_named_by_the_root() -> None:
    assert ROOT.console == CONSOLE
