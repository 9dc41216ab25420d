"""``verify FILE``: the cosigner's own words, codes and noes, on a machine with no key, no settings and no network."""

from __future__ import annotations

import io
import json
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from custody.chains.ethereum.offline.safe_tx import typed_data
from custody.cli.exits import run
from custody.cli.main import app
from custody.cosigner.answering import read_bundle
from custody.cosigner.limits import Limits
from custody.cosigner.main import main
from custody.cosigner.memory import Memory
from custody.cosigner.opinion import Opinion, opinion_of_bundle
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle
from custody.evidence.codes import digest_code, long_code, names_digest
from custody.evidence.intents import in_the_house
from custody.evidence.requests import request_message
from custody.evidence.signatures import sign_ed25519
from custody.kernel.clock import rfc3339
from tests.adversarial.hostile import CASES, Case
from tests.adversarial.test_cosigner_refuses import WRITTEN_IN
from tests.cosigner.builders import DEMO_POLICY, NOW, World, approval, key_id, person_key, tamper
from tests.cosigner.keyholder import live_bundle
from tests.cosigner.safe_builders import ETHER, SafeWorld
from tests.support.versions import relaxed
from tests.unit.evidence.test_drafting import ROOT, drafted

MAY, MAY_NOT, INVALID = 0, 1, 2
AT = ("--at", rfc3339(NOW))


@pytest.fixture(autouse=True)
def _no_network_and_no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a second opinion asks nobody")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)


def written(name: str, value: Any) -> str:
    Path(name).write_text(json.dumps(value))
    return name


def bundle_file(bundle: Bundle) -> str:
    return written("bundle.json", bundle.to_json())


def opinion(world: World, bundle: Bundle) -> Opinion:
    return opinion_of_bundle(read_bundle(bundle.to_json()), pin=world.root.hash, now=world.now)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    capsys.readouterr()
    code = main(["verify", *arguments])
    return code, capsys.readouterr().out.splitlines()


def test_says_what_a_bundle_would_do_in_the_cosigners_words(
    world: World, memory: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = world.large()
    memory.pin(world.root.hash, now=NOW)
    root = written("root.json", world.signed_root.to_json())
    code, lines = said(capsys, bundle_file(bundle), "--root", root, *AT, "--long")
    assert code == MAY
    words = world.judge(bundle, memory).words
    assert lines[: len(words)] == words
    digest = bundle.payments[0].proven.intent.digest
    assert f"code in full {long_code(digest)}" in lines
    assert lines[-2].startswith(
        f"may: every check of a cosigner passes under demo, version 1, code {digest_code(world.root.hash)}"
    )
    assert any(line.startswith("  Network fee") for line in lines)
    assert any("not shown: change of 0.49997000 BTC" in line for line in lines)


@pytest.mark.parametrize(
    "pin", [digest_code, long_code, str, lambda found: digest_code(found).lower().replace(" ", "-")]
)
def test_takes_the_pin_as_people_write_it(world: World, pin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, bundle_file(world.small()), "--pin", pin(world.root.hash), *AT)[0] == MAY


def test_proves_nothing_without_a_trust_root_that_somebody_kept(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = said(capsys, bundle_file(world.small()), *AT)
    assert code == MAY_NOT
    assert lines[0].startswith("Pay 0.02000000 BTC to ")
    assert lines[-1] == (
        "MAY NOT: root-not-pinned: nobody said which trust root counts; this file brings demo, code "
        f"{digest_code(world.root.hash)}"
    )
    stranger = replace(world.root, name="another")
    code, lines = said(capsys, bundle_file(world.small()), "--root", written("root.json", stranger.to_json()), *AT)
    assert (code, "the trust root you keep is not in it" in lines[-1]) == (MAY_NOT, True)
    assert main(["verify", "bundle.json", "--root", "root.json", "--pin", "0000 0000 0000 0000"]) == MAY_NOT


ONLY_A_MEMORY_TELLS = {
    Reason.NOT_A_REPLACEMENT, Reason.PAYS_DIFFERENTLY, Reason.COIN_SIGNED_ELSEWHERE, Reason.REQUEST_SIGNED_ELSEWHERE,
    Reason.REFUSED_BEFORE, Reason.BUNDLE_ALTERED, Reason.SECOND_OWNER, Reason.SECOND_BRANCH, Reason.DELAY_NOT_OVER,
    Reason.STATUS_TURNED_BACK,
}  # fmt: skip
OF_ONE_COSIGNER = {
    "keyset_that_does_not_hold_our_key", "safe_keyset_that_does_not_hold_our_key", "fork_of_the_version_that_is_pinned",
    "version_older_than_the_one_pinned", "nonce_that_signed_another_statement_before",
    "window_used_up_by_our_own_count_though_the_daemon_says_nothing_was_used",
}  # fmt: skip
"""Cases about whose key it is, which version a later one pinned, and what that program counted or saw."""


def test_gives_a_cosigners_reason_for_every_hostile_bundle(world: World, memory: Memory) -> None:
    """But for what only a keyholder's memory or its own limits tell."""
    compared = 0
    for name, (reason, maker) in CASES.items():
        if reason in ONLY_A_MEMORY_TELLS or name in OF_ONE_COSIGNER:
            continue
        made = maker(world, memory)
        case = made if isinstance(made, Case) else Case(made)
        if case.limits != Limits():
            continue
        judge = case.judge or world
        found = opinion_of_bundle(case.bundle, pin=judge.root.hash, now=world.now)
        assert (found.may, found.reason) == (False, reason.value), f"{name}: {found.reason}: {found.why}"
        compared += 1
    assert compared >= 90
    assert len(WRITTEN_IN) > 5


def test_says_no_to_a_destination_that_was_edited(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = world.small().to_json()
    found["payments"][0]["intent"]["request"]["destination"] = world.branch(7).derive(change=False, index=9).address
    code, lines = said(capsys, written("bundle.json", found), "--pin", world.root.hash, *AT)
    assert code == MAY_NOT
    assert lines[-1].startswith("MAY NOT: request-not-proven: ")
    psbt = tamper(world.small().unsigned, transaction=lambda tx: replace(tx, outputs=tx.outputs[::-1]))
    assert not opinion(world, world.small(unsigned=psbt, name="bnd_2")).may


def test_judges_as_of_the_moment_it_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    file, pin = bundle_file(world.small()), ("--pin", world.root.hash)
    code, lines = said(capsys, file, *pin, "--at", rfc3339(NOW + timedelta(hours=1)))
    assert (code, lines[-1].split(": ")[1]) == (MAY_NOT, "status-too-old")


def test_a_delay_is_the_keyholders_to_count(world: World) -> None:
    slow = DEMO_POLICY.replace("    approvals: {operators: 2}", "    approvals: {operators: 2}\n    delay: 1h", 1)
    assert slow != DEMO_POLICY
    found = opinion(later := World(policy=slow), later.large())
    assert found.may, found.why
    assert "policy asks for a delay of 3600 s, which each keyholder counts" in found.notes


def test_the_hashes_of_a_safe_are_those_of_another_implementation(capsys: pytest.CaptureFixture[str]) -> None:
    safes = SafeWorld()
    bundle = safes.ether()
    unsigned = safes.composed(bundle.payments)
    theirs = encode_typed_data(full_message=typed_data(unsigned.tx, network=unsigned.network, safe=unsigned.safe))
    found = opinion(safes, bundle)
    assert found.may, found.why
    clear, blind = found.devices
    shown = {label: value.replace(" ", "") for label, value in blind.lines}
    assert shown == {"Domain hash": "0x" + theirs.header.hex(), "Message hash": "0x" + theirs.body.hex()}
    assert dict(clear.lines)["Operation"] == "0 (call)"
    assert dict(clear.lines)["Value"] == f"{bundle.payments[0].proven.intent.to_json()['request']['amount']} wei"
    assert f"nonce {unsigned.tx.nonce}" in clear.hidden
    two = [safes.payment(safes.withdrawal("acme", ETHER // n), branch=7) for n in (2, 4)]
    batch = opinion(safes, safes.bundle(two, [safes.opening("acme", 7)], safes.composed(two).text))
    assert batch.may, batch.why
    assert dict(batch.devices[0].lines)["Operation"] == "1 (delegate call)"
    assert any("packed bytes" in what for what in batch.devices[0].hidden)


def test_an_intent_is_good_for_who_signed_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    payment = world.small().payments[0].proven
    root = written("root.json", world.root.to_json())
    shown = {
        "digest": payment.intent.digest,
        "document": payment.intent.to_json(),
        "request_signature": payment.request_signature.to_json(),
    }
    code, lines = said(capsys, written("intent.json", shown), "--root", root, *AT)
    assert code == MAY
    assert lines[0].startswith("Pay 0.02000000 BTC to ")
    assert lines[-1].startswith("may: signed by exchange with key exchange-1")
    assert said(capsys, "intent.json", *AT)[0] == MAY_NOT
    forged = {**shown, "request_signature": {**shown["request_signature"], "key": "alice-1"}}
    assert said(capsys, written("forged.json", forged), "--root", root, *AT)[0] == MAY_NOT
    assert said(capsys, written("bare.json", payment.intent.to_json()), "--root", root, *AT)[0] == MAY_NOT
    assert said(capsys, written("other.json", {**shown, "digest": "0" * 64}), "--root", root, *AT)[0] == MAY_NOT


def test_an_approval_is_good_for_who_gave_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    digest = world.small().payments[0].proven.intent.digest
    root = written("root.json", world.root.to_json())
    file = written("approval.json", approval("alice", digest).to_json())
    code, lines = said(capsys, file, "--root", root, *AT)
    assert (code, lines[0]) == (MAY, f"alice says approve to the intent with code {digest_code(digest)}")
    assert said(capsys, file, *AT)[0] == MAY_NOT
    forged = approval("alice", digest).to_json()
    forged["statement"]["verdict"] = "reject"
    assert said(capsys, written("forged.json", forged), "--root", root, *AT)[0] == MAY_NOT
    assert said(capsys, file, "--root", root, "--at", rfc3339(NOW + timedelta(days=2)))[0] == MAY_NOT


def proposed() -> tuple[Any, Any, dict[str, Any], tuple[str, str, str]]:
    """A change of the policy that alice asks for, what is sent of it, and the three files it is read from."""
    request, proposal = drafted("policy_change", policy=relaxed(DEMO_POLICY))
    signature = sign_ed25519(person_key("alice"), key_id("alice"), request_message(request))
    body = {"request": request.to_json(), "attachments": proposal.to_json(), "signature": signature.to_json()}
    Path("policy.yaml").write_text(DEMO_POLICY)
    return (
        request,
        proposal,
        body,
        (written("proposal.json", body), written("root.json", ROOT.to_json()), "policy.yaml"),
    )


def test_a_proposal_says_everything_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    request, proposal, body, (file, root, policy) = proposed()
    given = (file, "--root", root, "--policy", policy, *AT)
    code, lines = said(capsys, *given)
    assert code == MAY, lines[-1]
    assert any(line.startswith(f"version 2, code {digest_code(proposal.root.hash)}, follows 1") for line in lines)
    assert any(line.startswith("- ") for line in lines)
    assert f"code {digest_code(in_the_house(request).digest)}" in lines
    late = (file, "--root", root, "--policy", "policy.yaml", "--at", rfc3339(request.not_after + timedelta(seconds=1)))
    code, lines = said(capsys, *late)
    assert (code, lines[-1]) == (MAY_NOT, "MAY NOT: request.not_after: has expired")
    assert main(["verify", file, *AT]) == INVALID
    changed = {**body, "attachments": {**body["attachments"], "policy": DEMO_POLICY}}
    assert said(capsys, written("changed.json", changed), *given[1:])[0] == MAY_NOT


@pytest.mark.parametrize("piped", ["proposal.json", "root.json", "policy.yaml"])
def test_any_of_its_files_may_be_standard_input(
    piped: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, proposal, _, files = proposed()
    file, root, policy = ("-" if name == piped else name for name in files)
    monkeypatch.setattr("sys.stdin", io.StringIO(Path(piped).read_text()))
    code, lines = said(capsys, file, "--root", root, "--policy", policy, *AT)
    assert (code, any(digest_code(proposal.root.hash) in line for line in lines)) == (MAY, True), lines


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"payments": 1}', '{"statement": {}}', '{"request": {}}', "\xff"])
def test_refuses_what_it_cannot_read(content: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file.json").write_text(content)
    assert main(["verify", "file.json", *AT]) == INVALID
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_two_codes_name_one_digest(world: World) -> None:
    digest = world.root.hash
    assert len(long_code(digest).replace(" ", "")) == 26
    assert long_code(digest).startswith(digest_code(digest))
    assert names_digest(digest_code(digest), digest)
    assert not names_digest(digest_code(digest)[:-1], digest)
    assert not names_digest("", digest)


def test_custody_hands_over_to_the_keyholders_program(
    live: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With settings that would be wrong to use, and a folder of the program's own name where it runs."""
    monkeypatch.setenv("CUSTODY_DATABASE_URL", "postgresql+psycopg://u@127.0.0.1:1/d")
    Path("custody").mkdir()
    Path("custody/__init__.py").write_text("raise SystemExit('the wrong program')")
    file, pin = bundle_file(live_bundle(live)), ("--pin", digest_code(live.root.hash))
    assert run(app, ["verify", file, *pin]) == MAY
    assert "may: every check of a cosigner passes" in capfd.readouterr().out
    assert run(app, ["verify", file, "--format", "json"]) == MAY_NOT
    told = json.loads(capfd.readouterr().out)
    assert (told["may"], told["reason"]) == (False, "root-not-pinned")
