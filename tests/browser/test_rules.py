"""What operators ask for with a passkey, in a browser: a freeze, a break that is resolved, another policy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.evidence.codes import digest_code
from custody.reconciliation import queries as breaks
from custody.stops import queries as stops
from custody.trust import operations as trust
from tests.browser.chromium import Person
from tests.browser.conftest import Stage
from tests.browser.looking import look, look_at
from tests.browser.serving import TOKENS
from tests.cosigner.builders import DEMO_POLICY, person_key
from tests.integration.listings.test_listings import KNOWN, LIKE
from tests.support.governing import agree, carry_out, file, find_break, listing
from tests.support.versions import relaxed


def digest_on(person: Person) -> str:
    return person.page.inner_text("#digest")


def test_a_freeze_and_a_break_resolution_are_asked_for_with_a_passkey(stage: Stage) -> None:
    house, vault = stage.house, stage.house.vaults["acme"]
    alice = stage.person("alice")
    look(alice, "/console/freezes", "freezes-none")
    alice.page.fill("#purpose", "a laptop is gone")
    alice.page.click("text=Freeze everything …")
    look_at(alice, "freeze-question")
    code = digest_code(digest_on(alice))
    assert alice.page.inner_text("#code") == code
    assert alice.sign() == 201
    with house.db.unit() as unit:
        assert stops.names(unit.session) == ("everything",)
    name = find_break(house.db, vault)
    look(alice, "/console/freezes", "freezes")
    look(alice, f"/console/breaks/{name}", "break-resolution")
    alice.page.select_option("#resolution", "explained")
    alice.page.click("#ask-break_resolution button")
    alice.page.wait_for_selector("#problem")
    look_at(alice, "break-resolution-error")
    assert [each for each in alice.said if "422" not in each] == []
    alice.said.clear()
    alice.page.fill("#purpose", "the issuer had paused it")
    alice.page.click("#ask-break_resolution button")
    digest = digest_on(alice)
    assert alice.sign() == 201
    agree(house.db, digest, "bob", "carol")
    carry_out(house.db, digest)
    with house.db.unit() as unit:
        assert breaks.open_breaks(unit.session, vault=vault) == []
    look(alice, "/console/freezes", "freezes-past")
    look(alice, "/console/breaks?state=settled", "breaks-settled")
    assert alice.said == []


def test_a_policy_is_proposed_and_followed_here_and_agreed_to_by_file(stage: Stage, tmp_path: Path) -> None:
    house = stage.house
    done = file(house.db, listing(house.db, "acme", KNOWN, label="Kraken cold 3"))
    agree(house.db, done.digest, "bob")
    carry_out(house.db, done.digest)
    file(house.db, listing(house.db, "acme", LIKE, label="Kraken cold 4"))
    alice = stage.person("alice")
    look(alice, "/console/destinations?client=acme", "destinations")
    look(alice, "/console/requests/destination_listing?client=acme", "destination-listing")
    look(alice, "/console/policy?kind=withdrawal&asset=BTC&amount=0.2&destination=new", "policy")
    page = alice.open("/console/policy/draft")
    page.fill("#document", relaxed(DEMO_POLICY))
    page.click("text=Compare with the one in force")
    page.wait_for_selector("#found")
    assert "It lets more out" in page.inner_text("h1")
    look_at(alice, "policy-compared")
    page.click("text=Check it and propose …")
    page.fill("#purpose", "one is enough")
    page.click("#ask-policy_change button")
    digest = digest_on(alice)
    look_at(alice, "policy-question")
    assert alice.sign() == 201
    page.wait_for_selector("#proposals")
    assert digest_code(digest) in page.inner_text("#proposals")
    with page.expect_download() as waited:
        page.click("text=proposal.json")
    proposal = tmp_path / "proposal.json"
    waited.value.save_as(proposal)
    for name in ("bob", "carol"):
        approve(stage, name, proposal, tmp_path)
    look(alice, "/console/policy", "policy-proposed")
    assert "bob ✓, carol ✓" in page.inner_text("#proposals")
    carry_out(house.db, digest)
    with house.db.unit() as unit:
        assert trust.in_force(unit.session).policy_text == relaxed(DEMO_POLICY)
    stage.invitation("erin")
    look(alice, "/console/people", "people")
    assert "bob, carol" in page.inner_text("main")
    look(alice, "/console/people/versions/2", "version")
    assert "bob, carol" in page.inner_text("main")
    alice.open("/console/policy")
    assert "Nothing is proposed." in page.inner_text("#proposals")
    assert alice.said == []


def approve(stage: Stage, name: str, proposal: Path, folder: Path) -> None:
    """As the page says to: on a machine of one's own, beside the root and the policy that one keeps."""
    with stage.house.db.unit() as unit:
        current = trust.in_force(unit.session)
    kept = {
        "root.json": json.dumps(current.root.to_json()),
        "policy.yaml": current.policy_text,
        f"{name}.token": TOKENS[name][1],
        f"{name}.pem": person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }
    for file_name, words in kept.items():
        (folder / file_name).write_text(words)
        (folder / file_name).chmod(0o600)
    command = f"approve {proposal} --root {folder}/root.json --policy {folder}/policy.yaml --as {name}"
    more = f"--key {folder}/{name}.pem --token-file {folder}/{name}.token --api {stage.origin} --yes"
    program = [sys.executable, "-m", "custody.cli.main", *command.split(), *more.split()]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "policy with:" in done.stderr
