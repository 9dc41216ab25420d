"""What a second look at the policy means: denied, or to wait until what nobody knows now is known."""

from __future__ import annotations

from policies.decision import Decision, Outcome, TraceLine


def waits_to_know(earlier: Decision, later: Decision) -> str | None:
    """Why ``later`` denies only for want of knowledge what ``earlier`` did not deny, in words; None where it does not.

    A price that is stale for a minute, or a screening that ran out, ends no request that was permitted: it waits.
    What a rule is known to forbid, or no rule could permit whatever is found out, is denied for good.
    """
    if later.outcome is not Outcome.DENY or earlier.outcome is Outcome.DENY:
        return None
    known = [line for line in later.trace if line.kind in ("forbid", "default") and line.matched == "yes"]
    permitted = any(line.kind == "permit" and line.matched != "no" for line in later.trace)
    open_ones = [line for line in later.trace if line.kind in ("permit", "forbid") and _wants_to_know(line)]
    if known or not permitted or not open_ones:
        return None
    line = open_ones[0]
    return f"what “{line.title}” needs to know: {line.because}"


def _wants_to_know(line: TraceLine) -> bool:
    """A price that moved leaves a condition open as well, but of that nothing is missing: both values are known."""
    return line.matched == "unknown" and "unknown: " in line.because
