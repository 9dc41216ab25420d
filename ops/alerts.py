"""Every alert: when it fires, and what it tells whoever is woken by it.

Each is one comparison of one metric, so it can be tried on a real house without Prometheus. Twelve of them wake
somebody; the others make a ticket. A summary says what happened, what that means for the money, and what to do now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from custody.telemetry.metrics import BY_NAME

MOST_PAGES: Final = 12
RUNBOOKS: Final = "docs/runbooks"
"""Where the pages are; whoever publishes them elsewhere writes the rules anew with ``--runbooks``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule: ``metric`` above ``above``, or below ``below``, for ``minutes``.

    ``above`` is a number, or another metric with the same labels. ``where`` narrows the metric: a value that begins
    with ``!`` is one it must not have. ``is_zero_when_missing`` makes a page nobody could read count as nothing.
    """

    name: str
    metric: str
    above: int | str | None = None
    below: int | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    minutes: int
    happened: str
    money: str
    act: str
    runbook: str
    """A page of ``docs/runbooks``."""
    console: str
    """The page of the console that shows more."""
    is_page: bool = True
    is_zero_when_missing: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells one firing from another."""
        return tuple(label for label in BY_NAME[self.metric].labels if self.where.get(label, "!").startswith("!"))

    @property
    def expression(self) -> str:
        """In PromQL. Several processes answer the same, so their greatest is taken."""
        taken = f"{self._by(self.labels)}({self.metric}{self._narrowed()})"
        if self.is_zero_when_missing:
            taken = f"({taken} or vector(0))"
        if self.below is not None:
            return f"{taken} < {self.below}"
        limit = f"{self._by(self.labels)}({self.above})" if isinstance(self.above, str) else str(self.above)
        return f"{taken} > {limit}"

    @property
    def summary(self) -> str:
        """What stands on the pager."""
        return f"{self.happened} {self.money} {self.act}"

    def _by(self, labels: tuple[str, ...]) -> str:
        return f"max by ({', '.join(labels)}) " if labels else "max"

    def _narrowed(self) -> str:
        parts = [
            f'{label}!="{value[1:]}"' if value.startswith("!") else f'{label}="{value}"'
            for label, value in sorted(self.where.items())
        ]
        return "{" + ",".join(parts) + "}" if parts else ""


ALERTS: Final = (
    Alert(
        name="CustodyNotReadable",
        metric="custody_readings_up",
        below=1,
        is_zero_when_missing=True,
        minutes=2,
        happened="No process of Custody tells how the house stands: it is down, or Postgres does not answer it.",
        money="Nothing is lost and nothing is sent meanwhile.",
        act="Look at Postgres first, then at the API.",
        runbook="daemon-down.md",
        console="/console/health",
    ),
    Alert(
        name="CustodyBooksDiffer",
        metric="custody_breaks",
        above=0,
        minutes=0,
        happened="Chain, index and books differ by {{ $labels.class }} in {{ $value }} places.",
        money="The vaults concerned are stopped; what is in them stays where it is.",
        act="Find out what the chain did before anything is corrected.",
        runbook="break-found.md",
        console="/console/reconciliation",
    ),
    Alert(
        name="CustodyReconciliationLate",
        metric="custody_reconciliation_age_seconds",
        above="custody_reconciliation_age_limit_seconds",
        minutes=1,
        happened="Books and chain of {{ $labels.chain }} were not compared for {{ $value }} seconds.",
        money="A difference would not be noticed; payments whose policy asks for a recent comparison wait.",
        act="See whether workers run and whether the node answers.",
        runbook="daemon-down.md",
        console="/console/reconciliation",
    ),
    Alert(
        name="CustodyNodeSilent",
        metric="custody_chain_node_up",
        below=1,
        minutes=5,
        happened="The node of {{ $labels.chain }} is silent, still reading blocks, or on another network.",
        money="Nothing is lost; deposits there are not seen and payments there wait.",
        act="Bring the node back, or point the settings at another.",
        runbook="node-down.md",
        console="/console/health",
    ),
    Alert(
        name="CustodyChainBehind",
        metric="custody_chain_lag_blocks",
        above=6,
        minutes=10,
        happened="{{ $value }} blocks of {{ $labels.chain }} are there and not read.",
        money="Deposits in them are not credited yet; nothing is lost.",
        act="See whether a worker reads, and what it says.",
        runbook="node-down.md",
        console="/console/health",
    ),
    Alert(
        name="CustodyReorganisedBelowCredit",
        metric="custody_deposits_unbacked",
        above=0,
        minutes=0,
        happened="A reorganisation took {{ $value }} deposits out of the chain that payments already count on.",
        money="Money may be missing: the vault is stopped until it is back or made good.",
        act="Find out whether the payments were mined again elsewhere.",
        runbook="reorg.md",
        console="/console/stuck",
    ),
    Alert(
        name="CustodyWithdrawalStuck",
        metric="custody_stuck",
        above=0,
        where={"kind": "withdrawal", "state": "!pending_approval"},
        minutes=5,
        happened="{{ $value }} withdrawals rest in {{ $labels.state }} past their deadline.",
        money="Their money is held and not lost; from signed on, it may be on its way.",
        act="See what each waits for before anything is done.",
        runbook="stuck-withdrawal.md",
        console="/console/stuck",
    ),
    Alert(
        name="CustodyCosignerSilent",
        metric="custody_cosigner_waiting_seconds",
        above=3_600,
        minutes=5,
        happened="{{ $labels.cosigner }} has left a bundle unanswered for {{ $value }} seconds.",
        money="Nothing is sent meanwhile; with one more silent there may be no quorum.",
        act="Ask its keyholder whether the program runs, and whether the key is still there.",
        runbook="cosigner-lost.md",
        console="/console/vaults",
    ),
    Alert(
        name="CustodyNobodySigns",
        metric="custody_status_statement_age_seconds",
        above=600,
        minutes=1,
        happened="The status service has said nothing for {{ $value }} seconds.",
        money="No cosigner signs without its word; what is held stays held.",
        act="Start the status service, or carry a statement by hand.",
        runbook="status-silent.md",
        console="/console/health",
    ),
    Alert(
        name="CustodyMessagesWait",
        metric="custody_outbox_lag_seconds",
        above=300,
        minutes=2,
        happened="A message has been due for {{ $value }} seconds: relay, broker or workers stand still.",
        money="Nothing is lost; whatever is next to be done for a payment waits in Postgres.",
        act="See which of relay, broker and workers is away.",
        runbook="daemon-down.md",
        console="/console/health",
    ),
    Alert(
        name="CustodyPayerStopped",
        metric="custody_payer_stopped",
        above=0,
        minutes=0,
        happened="The payer of gas on {{ $labels.chain }} was stopped: its account did what we did not.",
        money="Its key may be known to somebody; no client's money is within its reach.",
        act="Look at the account's transactions on the chain.",
        runbook="payer.md",
        console="/console/stuck",
    ),
    Alert(
        name="CustodyVaultRulesChanged",
        metric="custody_stops",
        above=0,
        where={"cause": "rules"},
        minutes=0,
        happened="On the chain {{ $value }} of our vaults obey other rules than they were registered with.",
        money="Whoever changed them may be able to move what is there.",
        act="Stop the cosigners of that keyset and find out who signed the change.",
        runbook="rules-changed.md",
        console="/console/vaults",
    ),
    Alert(
        name="CustodyBlocksRare",
        metric="custody_chain_head_age_seconds",
        above="custody_chain_head_age_limit_seconds",
        minutes=5,
        is_page=False,
        happened="No block of {{ $labels.chain }} was read for {{ $value }} seconds.",
        money="Deposits and payments there stand still; nothing is lost.",
        act="Compare the node's tip with somebody else's.",
        runbook="node-down.md",
        console="/console/health",
    ),
    Alert(
        name="CustodyPayerLow",
        metric="custody_payer_low",
        above=0,
        minutes=0,
        is_page=False,
        happened="The payer of gas on {{ $labels.chain }} is below its low mark.",
        money="Signed payments wait when it is empty; nothing is lost.",
        act="Send it ether.",
        runbook="payer.md",
        console="/console/stuck",
    ),
    Alert(
        name="CustodyApprovalsStuck",
        metric="custody_stuck",
        above=0,
        where={"kind": "withdrawal", "state": "pending_approval"},
        minutes=30,
        is_page=False,
        happened="{{ $value }} withdrawals wait for people past their deadline.",
        money="Their money is held; nothing is sent before people agree.",
        act="Ask who is missing.",
        runbook="stuck-withdrawal.md",
        console="/console",
    ),
    Alert(
        name="CustodyRestoring",
        metric="custody_restoring",
        above=0,
        minutes=30,
        is_page=False,
        happened="A restored database is still not released.",
        money="Nothing is sent or handed out until books and chain agree.",
        act="See what the comparison found.",
        runbook="restore.md",
        console="/console/health",
    ),
    Alert(
        name="CustodyWebhooksWait",
        metric="custody_webhook_backlog",
        above=1_000,
        minutes=30,
        is_page=False,
        happened="{{ $value }} events wait to be delivered to webhook endpoints.",
        money="No money is concerned; whoever listens learns late, and can read the feed by its cursor.",
        act="See which endpoint fails, and tell its owner.",
        runbook="daemon-down.md",
        console="/console/webhooks",
    ),
    Alert(
        name="CustodyNoticesWait",
        metric="custody_notices_lag_seconds",
        above=600,
        minutes=5,
        is_page=False,
        happened="A message to an operator has been due for {{ $value }} seconds and is not sent.",
        money="Nothing is lost; who does not look at the console does not know what waits for him.",
        act="See whether beat and workers run.",
        runbook="notices.md",
        console="/console/notices",
    ),
    Alert(
        name="CustodyNoticesFail",
        metric="custody_notices_failing",
        above=0,
        minutes=15,
        is_page=False,
        happened="{{ $value }} messages to operators by {{ $labels.channel }} are not taken.",
        money="Nothing is lost; who does not look at the console does not know what waits for him.",
        act="See what the receiver answers, and tell the operator by another way.",
        runbook="notices.md",
        console="/console/notices",
    ),
)
