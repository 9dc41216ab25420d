"""What was taken back since it was signed: a bundle counts only beside a fresh status statement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from custody.cosigner.limits import Limits
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import MemoryView
from custody.evidence.proven import ProvenIntent
from custody.evidence.status import SignedStatus, Status, StatusRefused, StatusStale, check_status
from custody.evidence.trust_root import TrustRoot


def expect_fresh(
    signed: SignedStatus | None, *, root: TrustRoot, memory: MemoryView, limits: Limits, now: datetime
) -> Status:
    """The statement: by a service of ``root``, young, no older than one seen here, of no newer version than ``root``.

    Raises ``CosignerRefusal``.
    """
    if signed is None:
        raise CosignerRefusal(Reason.STATUS_MISSING, "there is no status statement")
    longest, skew = timedelta(seconds=limits.status_age_seconds), timedelta(seconds=limits.clock_skew_seconds)
    try:
        status = check_status(signed, root=root, now=now, longest=longest, skew=skew)
    except StatusStale as error:
        raise CosignerRefusal(Reason.STATUS_TOO_OLD, str(error)) from error
    except StatusRefused as error:
        raise CosignerRefusal(Reason.STATUS_NOT_PROVEN, str(error)) from error
    _expect_not_turned_back(signed, memory)
    if (status.version, status.root) != (root.version, root.hash) and status.version >= root.version:
        raise CosignerRefusal(
            Reason.ROOT_OLDER, f"the status statement names version {status.version} of the trust root"
        )
    return status


def expect_not_withdrawn(status: Status, digests: Iterable[str]) -> None:
    """None of these intents was taken back. Raises ``CosignerRefusal``."""
    withdrawn = frozenset(status.withdrawn).intersection(digests)
    if withdrawn:
        raise CosignerRefusal(Reason.INTENT_WITHDRAWN, f"intent {min(withdrawn)[:16]} was cancelled or rejected")


def expect_not_revoked(status: Status, proven: ProvenIntent) -> None:
    """Neither who asked nor who agreed did so with a key that counts no more. Raises ``CosignerRefusal``."""
    used = {proven.request_signature.key, *(approval.signature.key for approval in proven.approvals)}
    revoked = used.intersection(status.revoked)
    if revoked:
        raise CosignerRefusal(Reason.KEY_REVOKED, f"key {min(revoked)[:64]} counts no more")


def expect_not_frozen(status: Status, proven: ProvenIntent) -> None:
    """Nothing the payment touches is frozen. Raises ``CosignerRefusal``."""
    request = proven.intent.request
    client, asset = getattr(request, "client", ""), getattr(request, "asset", "")
    frozen = status.stops(client=client, vault=str(proven.intent.vault), asset=asset)
    if frozen is not None:
        raise CosignerRefusal(Reason.FROZEN, f"{frozen} is frozen")


def _expect_not_turned_back(signed: SignedStatus, memory: MemoryView) -> None:
    seen = memory.newest_status(signed.service)
    if seen is None:
        return
    number, message = seen
    if signed.status.number < number or (signed.status.number == number and signed.status.message.hex() != message):
        raise CosignerRefusal(
            Reason.STATUS_TURNED_BACK, f"statement {signed.status.number} of {signed.service}, {number} was seen here"
        )
