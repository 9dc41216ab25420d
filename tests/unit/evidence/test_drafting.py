"""A drafted version is one that signers take: its cooling, its groups and its hashes are made here."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.cli.exits import run
from custody.cli.main import app
from custody.cosigner.enrolment import consent, key_record
from custody.evidence.drafting import draft, with_operator, without_key, without_operator
from custody.evidence.proposals import Proposal, check_proposed
from custody.evidence.requests import RuleChange, parse_request, request_message
from custody.evidence.signatures import Signature, public_half
from custody.evidence.succession import SuccessionRefused
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import DEMO_POLICY, NOW, World, cosigner_key, key_id, person_key
from tests.support.rotating import keyset_of
from tests.support.versions import relaxed

ROOT = replace(World().root, cooling_seconds=3_600)
CLOSING: dict[str, Any] = {
    "requester": "alice",
    "subject": "somebody",
    "purpose": "as agreed",
    "not_after": NOW + timedelta(days=2),
    "idempotency_key": "idm_1",
}


def drafted(kind: str, *, policy: str = DEMO_POLICY, **parts: Any) -> tuple[RuleChange, Proposal]:
    return draft(ROOT, kind=kind, policy_before=DEMO_POLICY, policy_after=policy, parts=parts, closing=CLOSING, now=NOW)


def test_a_new_operators_key_waits_for_the_cooling_period() -> None:
    key = public_half(person_key("dave"), key_id("dave"))
    request, proposal = drafted("operator_change", operators=with_operator(ROOT, "dave", key))
    assert (request.version, request.root) == (2, proposal.root.hash)
    assert proposal.root.cooling == {"dave-1": CLOSING["not_after"] + timedelta(hours=1)}


def test_who_leaves_leaves_the_groups_with_the_policy_that_says_so() -> None:
    left = DEMO_POLICY.replace("[alice, bob, carol]", "[alice, bob]")
    _, proposal = drafted("operator_change", policy=left, operators=without_operator(ROOT, "carol"))
    assert [person.id for person in proposal.root.operators] == ["alice", "bob"]
    assert proposal.root.groups == {"operators": ("alice", "bob")}


def test_refuses_what_signers_would_refuse() -> None:
    with pytest.raises(SuccessionRefused):
        drafted("policy_change", operators=without_key(ROOT, "carol-1"))
    for parts in ({"operators_": []}, {"cooling_seconds": -1}):
        with pytest.raises(InvalidInput):
            drafted("root_change", **parts)
    with pytest.raises(InvalidInput):
        drafted("withdrawal")
    for absent in (without_operator, without_key):
        with pytest.raises(InvalidInput):
            absent(ROOT, "nobody")


def test_the_command_writes_what_the_api_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    files = {"root.json": json.dumps(ROOT.to_json()), "old.yaml": DEMO_POLICY, "new.yaml": relaxed(DEMO_POLICY)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    pem = person_key("alice").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "alice.pem").write_bytes(pem)
    monkeypatch.chdir(tmp_path)
    asked = ("trust", "propose", "policy_change", "--root", "root.json", "--policy", "old.yaml")
    said = ("--new-policy", "new.yaml", "--purpose", "as agreed", "--as", "alice", "--key", "alice.pem", "--yes")
    monkeypatch.setattr("sys.argv", ["custody", *asked, *said, "--out", "proposal.json"])
    assert run(app) == 0
    body = json.loads((tmp_path / "proposal.json").read_text())
    request = parse_request(body["request"])
    assert isinstance(request, RuleChange)
    assert request.root == Proposal.parse(body["attachments"]).root.hash
    signature = Signature.parse(body["signature"], field="signature")
    assert public_half(person_key("alice"), "alice-1").verifies(request_message(request), signature.signature)


def test_a_keyset_is_drafted_signed_by_its_cosigners_and_drafted_again_to_the_letter(tmp_path: Path) -> None:
    later = keyset_of(("north", "south", "west"))
    files = {name: tmp_path / name for name in ("root", "policy", "keyset", "first", "second")}
    files["root"].write_text(json.dumps(World().signed_root.to_json()))
    files["policy"].write_text(DEMO_POLICY)
    files["keyset"].write_text(json.dumps(later.to_json()))
    words = ["trust", "propose", "keyset_change", "--root", str(files["root"]), "--policy", str(files["policy"])]
    words += ["--add-keyset", str(files["keyset"]), "--purpose", "east leaves", "--as", "alice"]
    assert run(app, [*words, "--out", str(files["first"])]) == 0
    root = TrustRoot.parse(json.loads(files["first"].read_text())["attachments"]["root"])
    records = [key_record(cosigner_key(name)) for name in ("north", "south", "east", "west")]
    answers = []
    for name in ("north", "south", "west"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(consent(cosigner_key(name), root, records)))
        answers += ["--answer", str(path)]
    stale = run(app, [*words, *answers, "--out", str(tmp_path / "stale")])
    assert stale != 0, "another moment is another version, which nobody signed"
    assert run(app, [*words, *answers, "--again", str(files["first"]), "--out", str(files["second"])]) == 0
    done = json.loads(files["second"].read_text())
    assert done["attachments"]["root"] == root.to_json()
    proposal = Proposal.parse(done["attachments"])
    request = parse_request(done["request"])
    assert isinstance(request, RuleChange)
    check_proposed(World().root, request, proposal, policy_before=DEMO_POLICY)
