"""What differs between two versions of the trust root, in plain words: what people read before they agree to it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from custody.evidence.codes import digest_code
from custody.evidence.passkeys import Credential
from custody.evidence.trust_root import Person, TrustRoot
from custody.kernel.clock import rfc3339
from custody.kernel.errors import InvalidInput


def differences_in_words(
    old: TrustRoot, new: TrustRoot, *, policy_before: str = "", policy_after: str = ""
) -> list[str]:
    """Everything that ``new`` changes, one line each; only when it was made and its number go without saying.

    Of a policy that differs its lines are shown as far as both texts are given.
    """
    before, after = old.to_json(), new.to_json()
    lines: list[str] = []
    for field in after:
        if field in _UNSAID or before[field] == after[field]:
            continue
        say = _SAYINGS.get(field)
        lines += say(old, new) if say else _plainly(field, before[field], after[field])
        if field == "policy_hash":
            lines += _policy_lines(policy_before, policy_after)
    return lines


def with_passkey(
    root: TrustRoot,
    *,
    operator: str,
    credential: Credential,
    not_after: datetime,
    now: datetime,
    is_new: bool = False,
) -> TrustRoot:
    """The next version, in which ``operator`` has one more passkey. It counts when the cooling period is over.

    Where ``is_new``, the version enrols the operator as well, in no group and without a key. ``not_after`` is when the
    request for it ends: cooling begins there. Raises ``InvalidInput``.
    """
    is_known = any(person.id == operator for person in root.operators)
    if is_known == is_new:
        raise InvalidInput(
            "an operator of the trust root already" if is_new else "no operator of the trust root", field="for"
        )
    if root.operator_credential(operator, credential.id) is not None:
        raise InvalidInput("this passkey is in the trust root already", field="passkey")
    newcomers = (Person(operator, ()),) if is_new else ()
    people = tuple(
        replace(person, credentials=(*person.credentials, credential)) if person.id == operator else person
        for person in (*root.operators, *newcomers)
    )
    cooling = dict(root.cooling)
    if root.cooling_seconds:
        cooling[credential.id] = not_after + timedelta(seconds=root.cooling_seconds)
    return replace(
        root,
        version=root.version + 1,
        previous=root.hash,
        created_at=max(now, root.created_at),
        operators=people,
        cooling=cooling,
    )


def _operators(old: TrustRoot, new: TrustRoot) -> Iterator[str]:
    yield from _people("Operator", old.operators, new.operators, new)


def _requesters(old: TrustRoot, new: TrustRoot) -> Iterator[str]:
    yield from _people("Back end", old.requesters, new.requesters, new)


def _people(title: str, old: Iterable[Person], new: Iterable[Person], root: TrustRoot) -> Iterator[str]:
    before, after = {person.id: person for person in old}, {person.id: person for person in new}
    for name in sorted(before.keys() - after.keys()):
        yield f"{title} {name} is removed: nothing by {name} counts any more"
    for name in sorted(after.keys() - before.keys()):
        yield f"{title} {name} is enrolled"
    for name in sorted(after):
        theirs = _means(before[name]) if name in before else {}
        now = _means(after[name])
        for means in sorted(theirs.keys() - now.keys()):
            yield f"{title} {name} loses {theirs[means]}"
        for means in sorted(now.keys() - theirs.keys()):
            yield f"{title} {name} gains {now[means]}{_from_when(means[1], root)}"
    if list(before) != list(after) and before.keys() == after.keys():
        yield f"{title}s stand in another order"


def _means(person: Person) -> Mapping[tuple[str, str, str], str]:
    """By what a person is known: kind, name and key, and in words."""
    keys = {("key", key.id, key.public_key): f"the key {key.id}, {key.public_key}" for key in person.keys}
    passkeys = {
        ("passkey", each.id, each.public_key): f"the passkey {each.id} with code {digest_code(each.fingerprint)}"
        for each in person.credentials
    }
    return {**keys, **passkeys}


def _from_when(means: str, root: TrustRoot) -> str:
    return f", which counts from {rfc3339(root.cooling[means])}" if means in root.cooling else ""


def _groups(old: TrustRoot, new: TrustRoot) -> Iterator[str]:
    for group in sorted({*old.groups, *new.groups}):
        before, after = old.groups.get(group, ()), new.groups.get(group, ())
        if group not in old.groups:
            yield f"Group {group} is new"
        if group not in new.groups:
            yield f"Group {group} is taken away"
        gained, lost = sorted(set(after) - set(before)), sorted(set(before) - set(after))
        if gained:
            yield f"Group {group} gains {', '.join(gained)}"
        if lost:
            yield f"Group {group} loses {', '.join(lost)}"
        if not gained and not lost and before != after:
            yield f"Group {group} names the same people in another way"


def _keysets(old: TrustRoot, new: TrustRoot) -> Iterator[str]:
    known = {keyset.id: keyset for keyset in old.keysets}
    for keyset in new.keysets:
        if keyset.id not in known:
            people = ", ".join(cosigner.id for cosigner in keyset.cosigners)
            yield f"Keyset {keyset.id} is added on {keyset.chain}: {keyset.threshold} of {people}"
        elif known[keyset.id] != keyset:
            yield f"Keyset {keyset.id} is edited, which no version may do"
    for name in sorted(known.keys() - {keyset.id for keyset in new.keysets}):
        yield f"Keyset {name} is taken away, which no version may do"
    if not {keyset.id for keyset in new.keysets} - known.keys() and old.keysets != new.keysets:
        yield "Keysets stand in another order, or differ"


def _cooling(old: TrustRoot, new: TrustRoot) -> Iterator[str]:
    for means in sorted({*old.cooling, *new.cooling}):
        before, after = old.cooling.get(means), new.cooling.get(means)
        if before != after:
            yield f"{means} counts {_since(after)}, where it counted {_since(before)}"


def _since(moment: datetime | None) -> str:
    return "from the beginning" if moment is None else f"from {rfc3339(moment)}"


def _policy(old: TrustRoot, new: TrustRoot) -> Iterator[str]:
    yield (
        f"Another policy comes into force: code {digest_code(new.policy_hash)}, where it was "
        f"code {digest_code(old.policy_hash)}"
    )


def _policy_lines(before: str, after: str) -> Iterator[str]:
    if not before or not after:
        return
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line.startswith("- "):
            yield f"  policy without: {line[2:].strip()}"
        elif line.startswith("+ "):
            yield f"  policy with:    {line[2:].strip()}"


def _plainly(field: str, before: object, after: object) -> list[str]:
    """A field that has no sentence of its own: both values as they are written."""
    return [f"{field} becomes {_written(after)}, where it was {_written(before)}"]


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(", ", ": "))


_UNSAID: Final = frozenset({"format", "version", "previous", "created_at"})
_SAYINGS: Final[Mapping[str, Callable[[TrustRoot, TrustRoot], Iterator[str]]]] = {
    "operators": _operators,
    "requesters": _requesters,
    "groups": _groups,
    "keysets": _keysets,
    "cooling": _cooling,
    "policy_hash": _policy,
}
