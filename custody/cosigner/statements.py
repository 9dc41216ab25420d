"""What services that are not the daemon's state in a bundle: prices and screenings, proved and counted here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence import marks
from custody.evidence.statements import Screening, SignedStatement, StatementRefused, check_statement
from custody.evidence.trust_root import TrustRoot


@dataclass(frozen=True, slots=True)
class Stated:
    """What the statements of a bundle say of one payment, by our own clock."""

    price: marks.Quote
    screening: str | None
    """``clear``, ``review``, ``hit``; ``None`` where nothing that is new enough says so."""
    has_old_screening: bool

    @property
    def is_old(self) -> bool:
        """Whether newer statements could say more."""
        return self.price.state == marks.STALE or self.has_old_screening

    @property
    def why(self) -> str:
        """What is too old, in words."""
        old = ["the price"] if self.price.state == marks.STALE else []
        return f"{' and '.join([*old, *(['the screening'] if self.has_old_screening else [])])} is too old"


def expect_proved(statements: Sequence[SignedStatement], *, root: TrustRoot) -> None:
    """Every statement is by a service that ``root`` pins for it. Raises ``CosignerRefusal``."""
    for each in statements:
        try:
            check_statement(each, root=root)
        except StatementRefused as error:
            raise CosignerRefusal(Reason.STATEMENT_INVALID, f"a statement of {each.service} {error}") from error


def stated_of(
    statements: Sequence[SignedStatement],
    *,
    asset: str,
    chain: str,
    destination: str | None,
    root: TrustRoot,
    now: datetime,
) -> Stated:
    """What proved statements say of a payment in ``asset`` to ``destination``; ``None`` where nobody is paid."""
    price = marks.quote(statements, asset=asset, root=root, now=now)
    if destination is None:
        return Stated(price, None, has_old_screening=False)
    found = marks.screened(statements, chain=chain, destination=destination, root=root, now=now)
    about = [each.statement for each in statements if isinstance(each.statement, Screening)]
    is_there = any((said.chain, said.destination) == (chain, destination) for said in about)
    return Stated(price, marks.result_of(found), has_old_screening=found is None and is_there)
