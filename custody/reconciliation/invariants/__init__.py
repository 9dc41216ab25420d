"""``custody invariants check``: every rule of the domain that a live database can show, shown."""

from custody.reconciliation.invariants.report import InvariantReport, check_invariants

__all__ = ["InvariantReport", "check_invariants"]
