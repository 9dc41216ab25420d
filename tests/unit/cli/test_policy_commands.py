"""The commands about policy documents: what they print, and what their exit codes say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from custody.cli.exits import DONE, INVALID, REFUSED, run
from custody.cli.main import app
from custody.cli.policy_showing import moment
from custody.kernel.errors import InvalidInput

POLICIES = Path(__file__).parents[3] / "policies"
DEMO = POLICIES / "documents" / "demo.yaml"


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """The demonstration's document with half a bitcoin where a twentieth stood."""
    path = tmp_path / "mine.yaml"
    path.write_text(DEMO.read_text().replace('amount: {above: "0.05 BTC"}', 'amount: {above: "0.5 BTC"}'))
    return str(path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = run(app, ["policy", *arguments])
    return code, capsys.readouterr().out


def test_proves_the_claims_beside_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "prove", str(DEMO))
    assert code == DONE
    assert "13 of 13 claims are proved over all requests" in out


def test_a_broken_claim_comes_with_a_request_that_explain_decides_the_same_way(
    capsys: pytest.CaptureFixture[str], broken: str, tmp_path: Path
) -> None:
    claims = str(POLICIES / "invariants" / "demo.yaml")
    code, out = said(capsys, "prove", broken, claims)
    assert code == REFUSED
    assert "BROKEN no more than a twentieth of a bitcoin with fewer than two people" in out
    assert "approved by nobody" in out
    code, out = said(capsys, "prove", broken, claims, "--format", "json")
    witness: Any = next(proof["witness"] for proof in json.loads(out) if not proof["holds"])
    path = tmp_path / "witness.json"
    path.write_text(json.dumps(witness))
    assert said(capsys, "explain", broken, "--request", str(path))[1].startswith("allowed without people")
    assert "allowed when 2 of operators agree" in said(capsys, "explain", str(DEMO), "--request", str(path))[1]


def test_says_which_kinds_of_request_differ(capsys: pytest.CaptureFixture[str], broken: str) -> None:
    code, out = said(capsys, "diff", str(DEMO), broken)
    assert code == REFUSED
    assert "withdrawal: more permissive" in out
    assert "policy_change: equivalent" in out
    code, out = said(capsys, "diff", broken, str(DEMO), "--format", "json")
    assert code == DONE
    relations = {one["kind"]: one["relation"] for one in json.loads(out)}
    assert relations["withdrawal"] == "less permissive"


def test_checks_a_document_with_its_cases_and_claims(capsys: pytest.CaptureFixture[str], broken: str) -> None:
    code, out = said(capsys, "check", str(DEMO))
    assert code == DONE
    assert "redundant-rule" in out
    assert "no table of cases" not in out
    code, out = said(capsys, "check", broken)
    assert code == DONE
    assert "no table of cases beside it" in out
    beside = [
        f"--{name}={POLICIES / folder / 'demo.yaml'}" for name, folder in (("cases", "cases"), ("invariants",) * 2)
    ]
    code, out = said(capsys, "check", broken, *beside, "--format", "json")
    assert code == REFUSED
    refused = {finding["code"] for finding in json.loads(out)["findings"] if finding["refuses"]}
    assert refused == {"case-fails", "invariant-broken"}


def test_claims_in_force_are_not_dropped_silently(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = POLICIES / "invariants" / "demo.yaml"
    fewer = tmp_path / "fewer.yaml"
    fewer.write_text(before.read_text().split("  - possible: the rules")[0])
    code, out = said(capsys, "check", str(DEMO), "--invariants", str(fewer), "--before", str(before))
    assert code == REFUSED
    assert "invariant-loosened  the rules can change" in out


@pytest.mark.parametrize("text", ["yesterday", "2026-1-1", "20260101", "2026-01-01T00:00:00"])
def test_a_day_is_a_day(text: str) -> None:
    with pytest.raises(InvalidInput, match="since"):
        moment(text, field="since")
    assert moment("2026-11-01", field="since").isoformat() == "2026-11-01T00:00:00+00:00"
    assert moment("2026-11-01T05:00:00Z", field="since").hour == 5


def test_a_witness_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "witness.json"
    facts = {"kind": "freeze", "requester": "a", "now": "2026-11-22T12:00:00Z"}
    path.write_text(json.dumps({"facts": facts, "used_before": [{"rule": 1}]}))
    assert said(capsys, "explain", str(DEMO), "--request", str(path))[0] == INVALID
