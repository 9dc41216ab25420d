"""What a verdict is about, read from a file on the operator's own machine: words and digest are made here, of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from custody.cli.inputs import file_json, file_text

if TYPE_CHECKING:
    from custody.evidence.intents import Intent
    from custody.evidence.requests import RuleChange
    from custody.evidence.trust_root import TrustRoot


@dataclass(frozen=True, slots=True)
class Subject:
    """An intent and the lines that say what agreeing to it means."""

    intent: Intent
    lines: tuple[str, ...]


def read(path: str, *, root: str, policy: str) -> Subject:
    """The subject in a file: an intent, what the API shows of one, or a signed request with its attachments.

    A change of the rules needs the version it follows (``root``, a file kept by the operator) and says every
    difference; ``policy`` is the text in force, wanted where that changes too. Raises ``InvalidInput``, and
    ``Refused`` where the parts of the file do not belong together.
    """
    from custody.evidence.requests import RuleChange

    found = _document(path, "file")
    intent = _intent(found)
    request = intent.request
    if not isinstance(request, RuleChange):
        return Subject(intent, tuple(words_of(intent)))
    return Subject(intent, (*words_of(intent), *_differences(request, found, root, policy)))


def read_intent(path: str) -> Intent:
    """The intent in a file, whatever else is in it. Raises as ``read`` does."""
    return _intent(_document(path, "file"))


def words_of(intent: Intent) -> list[str]:
    """What will happen, with amounts as people write them, from our own list of assets."""
    from custody.cli.chains import asset_of, native_of
    from custody.evidence.words import say

    named = getattr(intent.request, "asset", None)
    if named is None:
        return say(intent)
    return say(intent, asset=asset_of(named), fee_asset=native_of(intent.chain))


def read_root(path: str, *, field: str) -> TrustRoot:
    """A trust root in a file, with or without its signatures. Raises ``InvalidInput``."""
    from custody.evidence.trust_root import SignedTrustRoot, TrustRoot

    found = _document(path, field)
    if "document" in found:
        return SignedTrustRoot.parse(found, field=field).root
    return TrustRoot.parse(found, field=field)


def _intent(found: Mapping[str, Any]) -> Intent:
    from custody.evidence.intents import Intent, in_the_house
    from custody.evidence.requests import parse_request
    from custody.kernel.errors import Refused

    if "request" in found and "chain" not in found:
        return in_the_house(parse_request(found["request"], field="file.request"))
    intent = Intent.parse(found.get("document", found), field="file")
    if "digest" in found and found["digest"] != intent.digest:
        raise Refused("the document in it is another one than its digest names", field="file.digest")
    return intent


def _differences(request: RuleChange, found: Mapping[str, Any], root: str, policy: str) -> list[str]:
    from custody.evidence import fields
    from custody.evidence.changes import differences_in_words
    from custody.evidence.codes import digest_code
    from custody.evidence.trust_root import TrustRoot
    from custody.kernel.errors import InvalidInput
    from policies.document import document_hash

    if not root:
        raise InvalidInput("a change of the rules is read beside the version it follows; say --root FILE", field="root")
    old, attached = read_root(root, field="root"), found.get("attachments")
    given = attached if isinstance(attached, Mapping) else {}
    if "root" not in given or "policy" not in given:
        raise InvalidInput("missing: the proposed version and its policy", field="file.attachments")
    new = TrustRoot.parse(given["root"], field="file.attachments.root")
    text = fields.document(given["policy"], field="file.attachments.policy")
    _expect_to_belong(request, old, new, document_hash(text))
    before = ""
    if new.policy_hash != old.policy_hash:
        before = file_text(policy) if policy else ""
        if not before or document_hash(before) != old.policy_hash:
            raise InvalidInput("the policy in force is needed to show what changes; say --policy FILE", field="policy")
    said = differences_in_words(old, new, policy_before=before, policy_after=text)
    head = f"version {new.version}, code {digest_code(new.hash)}, follows {old.version}, code {digest_code(old.hash)}:"
    return [head, *(f"- {line}" for line in said)]


def _expect_to_belong(request: RuleChange, old: TrustRoot, new: TrustRoot, policy_hash: str) -> None:
    from custody.evidence.succession import differing, may_differ
    from custody.kernel.errors import Refused

    if request.root != new.hash or request.version != new.version:
        raise Refused("asks for another version than the one beside it", field="file.request.root")
    if new.version != old.version + 1 or new.previous != old.hash:
        raise Refused("does not follow the version you keep", field="file.attachments.root")
    if policy_hash != new.policy_hash:
        raise Refused("is another policy than the version beside it states", field="file.attachments.policy")
    strange = sorted(differing(old, new) - may_differ(request.kind))
    if strange:
        raise Refused(f"a {request.kind} changes {', '.join(strange)} as well", field="file.attachments.root")


def _document(path: str, field: str) -> Mapping[str, Any]:
    from custody.kernel.errors import InvalidInput

    found = file_json(path, field=field)
    if not isinstance(found, dict):
        raise InvalidInput("not an object", field=field)
    return found
