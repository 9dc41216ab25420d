"""A second opinion of what is no bundle: a proposal, a signed request, an intent as the API shows it, an approval.

None of these moves anything by itself. What can be proved of one is who signed it, under the trust root that its
reader keeps; without that root nothing is proved, and the answer is no.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from custody.cosigner.opinion import Opinion, words_under
from custody.evidence.approvals import Approval, ApprovalRefused, check_approval
from custody.evidence.authorship import parse_author_signature
from custody.evidence.changes import differences_in_words
from custody.evidence.check import RequestRefused, check_request
from custody.evidence.codes import digest_code
from custody.evidence.intents import Intent, in_the_house
from custody.evidence.passkeys import Assertion
from custody.evidence.proposals import Proposal, check_proposed
from custody.evidence.requests import Request, RuleChange, parse_request
from custody.evidence.trust_root import TrustRoot
from custody.kernel.clock import rfc3339
from custody.kernel.errors import CustodyError, InvalidInput, Refused

NO_ROOT = "nothing in it is proved without the trust root you keep; say --root FILE"


def opinion_of_paper(found: Mapping[str, Any], *, root: TrustRoot | None, policy: str, now: datetime) -> Opinion:
    """What one of these would do, and whether whoever signed it counts under ``root``.

    ``policy`` is the text in force, read where a change of the rules replaces it. Raises ``InvalidInput`` for anything
    else, and ``Refused`` where its parts do not belong together.
    """
    if "statement" in found:
        return _approval(Approval.parse(found, field="file"), root, now)
    if "request" in found and "chain" not in found:
        return _request(found, root, policy, now)
    if "document" in found or {"request", "chain", "vault"} <= set(found):
        return _intent(found, root, now)
    raise InvalidInput("accepted is a bundle, a proposal, a signed request, an intent or an approval", field="file")


def _request(found: Mapping[str, Any], root: TrustRoot | None, policy: str, now: datetime) -> Opinion:
    """A request with or without what lies beside it."""
    request = parse_request(found["request"], field="file.request")
    intent = in_the_house(request)
    kind, lines = "request", []
    attached = found.get("attachments")
    if isinstance(request, RuleChange):
        kind = "proposal"
        lines = _changes(request, Proposal.parse(attached, field="file.attachments"), root, policy)
    words = (*_words_of_request(request, intent, root), *lines)
    digests = (intent.digest,) if isinstance(request, RuleChange) or not hasattr(request, "destination") else ()
    may, why = _author(request, found.get("signature"), root, now)
    return Opinion(kind, digests, words, may, why)


def _words_of_request(request: Request | RuleChange, intent: Intent, root: TrustRoot | None) -> list[str]:
    """A request that pays has no digest before it has a vault; its last line would name another one."""
    words = words_under(intent, root)
    return words[:-1] if hasattr(request, "destination") else words


def _intent(found: Mapping[str, Any], root: TrustRoot | None, now: datetime) -> Opinion:
    intent = Intent.parse(found.get("document", found), field="file")
    if "digest" in found and found["digest"] != intent.digest:
        raise Refused("the document in it is another one than its digest names", field="file.digest")
    may, why = _author(intent.request, found.get("request_signature"), root, now)
    return Opinion("intent", (intent.digest,), tuple(words_under(intent, root)), may, why)


def _approval(approval: Approval, root: TrustRoot | None, now: datetime) -> Opinion:
    said = approval.statement
    words = (
        f"{said.approver} says {said.verdict} to the intent with code {digest_code(said.digest)}",
        f"said {rfc3339(said.given_at)}, good until {rfc3339(said.not_after)}",
    )
    if root is None:
        return Opinion("approval", (said.digest,), words, False, NO_ROOT)
    try:
        # Who asked and until when stands in the intent, which this file only names.
        check_approval(approval, digest=said.digest, requester="", request_not_after=said.not_after, root=root, now=now)
    except ApprovalRefused as error:
        return Opinion("approval", (said.digest,), words, False, str(error))
    return Opinion("approval", (said.digest,), words, True, f"signed with a key of {said.approver} that counts")


def _author(
    request: Request | RuleChange, signature: object, root: TrustRoot | None, now: datetime
) -> tuple[bool, str]:
    if root is None:
        return False, NO_ROOT
    if not isinstance(signature, Mapping):
        return False, "nobody signed it"
    read = parse_author_signature(signature, field="file.signature")
    try:
        check_request(request, read, root=root, now=now)
    except RequestRefused as error:
        return False, str(error)
    means = "passkey" if isinstance(read, Assertion) else "key"
    said = f"signed by {request.requester} with {means} {read.key}"
    return True, f"{said}; whether policy permits it is judged with a bundle"


def _changes(request: RuleChange, proposal: Proposal, root: TrustRoot | None, policy: str) -> list[str]:
    """Every difference, after the checks that cosigners make of it. Raises ``Refused``."""
    if root is None:
        raise InvalidInput("a change of the rules is read beside the version it follows; say --root FILE", field="root")
    before = policy if proposal.root.policy_hash != root.policy_hash else proposal.policy
    if not before:
        raise InvalidInput("the policy in force is needed to show what changes; say --policy FILE", field="policy")
    try:
        check_proposed(root, request, proposal, policy_before=before)
    except CustodyError as error:
        raise Refused(f"cosigners would not follow it: {error}", field="file.attachments") from error
    new = proposal.root
    head = (
        f"version {new.version}, code {digest_code(new.hash)}, follows {root.version}, code {digest_code(root.hash)}:"
    )
    said = differences_in_words(root, new, policy_before=before, policy_after=proposal.policy)
    return [head, *(f"- {line}" for line in said)]
