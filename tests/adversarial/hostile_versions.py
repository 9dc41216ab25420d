"""Bundles that hide or invent a version of the trust root, or what was taken back since it was signed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from custody.cosigner.limits import Limits
from custody.cosigner.lineage import PinnedRoot
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle
from custody.evidence.requests import GroupChangeRequest, KeysetChangeRequest, OperatorChangeRequest, RootChangeRequest
from custody.evidence.signatures import public_half
from custody.evidence.trust_root import Person, TrustRoot
from tests.adversarial.hostile import Case, refused
from tests.cosigner.builders import DEMO_POLICY, NOW, World, key_id, person_key
from tests.support.status import status_of
from tests.support.versions import Versions, relaxed, slow

LEFT = DEMO_POLICY.replace("operators: [alice, bob, carol]", "operators: [alice, bob]")
MALLORY = Person("mallory", (public_half(person_key("mallory"), key_id("mallory")),))


@dataclass(frozen=True)
class Careful(World):
    """A world where whoever is new waits for an hour."""

    @cached_property
    def root(self) -> TrustRoot:
        """Version 1."""
        return replace(super().root, cooling_seconds=3_600)


@dataclass(frozen=True)
class Walked(World):
    """A world whose cosigner has walked to a later version."""

    at: TrustRoot | None = None

    @property
    def pinned(self) -> PinnedRoot:
        """The later version."""
        assert self.at is not None
        return PinnedRoot(self.at.hash, NOW, self.at.version)


def _with_status(world: World, **changes: object) -> Bundle:
    return world.small(status=world.status(**changes))


@refused(Reason.ROOT_OLDER)
def withheld_version_that_the_status_statement_names(world: World, memory: Memory) -> Bundle:
    newer = Versions.of(world).then(policy=relaxed(world.policy))
    return world.small(status=status_of(newer.root, now=NOW))


@refused(Reason.ROOT_OLDER)
def fork_of_the_version_that_the_status_statement_names(world: World, memory: Memory) -> Bundle:
    ours = Versions.of(world).then(policy=relaxed(world.policy))
    other = Versions.of(world).then(policy=LEFT, kind=GroupChangeRequest, groups={"operators": ("alice", "bob")})
    return replace(ours.small(), status=status_of(other.root, now=NOW))


@refused(Reason.ROOT_NOT_PINNED)
def fork_of_the_version_that_is_pinned(world: World, memory: Memory) -> Case:
    ours = Versions.of(world).then(policy=relaxed(world.policy))
    other = Versions.of(world).then(policy=LEFT, kind=GroupChangeRequest, groups={"operators": ("alice", "bob")})
    return Case(other.small(), judge=Walked(at=ours.root))


@refused(Reason.ROOT_OLDER)
def version_older_than_the_one_pinned(world: World, memory: Memory) -> Case:
    ours = Versions.of(world).then(policy=relaxed(world.policy))
    return Case(world.small(), judge=Walked(at=ours.root))


@refused(Reason.SUCCESSION_NOT_PROVEN)
def p055_one_admin_alone_lowers_the_quorum(world: World, memory: Memory) -> Bundle:
    return Versions.of(world).then(policy=relaxed(world.policy), approvers=("bob",)).large(approvers=("bob",))


@refused(Reason.SUCCESSION_NOT_PROVEN)
def p055_the_requester_counts_twice(world: World, memory: Memory) -> Bundle:
    return Versions.of(world).then(policy=relaxed(world.policy), approvers=("alice", "bob")).small()


@refused(Reason.DELAY_NOT_OVER)
def p055_lower_quorum_before_its_delay_is_over(world: World, memory: Memory) -> Case:
    slowly = World(policy=slow(DEMO_POLICY))
    return Case(Versions.of(slowly).then(policy=relaxed(slowly.policy)).large(approvers=("bob",)), judge=slowly)


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_that_a_required_group_rejected(world: World, memory: Memory) -> Bundle:
    alice_asks = Versions.of(world)
    return alice_asks.then(policy=relaxed(world.policy), approvers=("bob",), rejecters=("carol",)).small()


@refused(Reason.INTENT_WITHDRAWN)
def version_whose_veto_the_bundle_hides(world: World, memory: Memory) -> Bundle:
    newer = Versions.of(world).then(policy=relaxed(world.policy))
    return newer.small(withdrawn=(newer.links[0].proven.intent.digest,))


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_asked_for_by_a_back_end(world: World, memory: Memory) -> Bundle:
    return Versions.of(world).then(policy=relaxed(world.policy), asked={"requester": "exchange"}).small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_that_was_not_asked_for(world: World, memory: Memory) -> Bundle:
    newer = Versions.of(world).then(policy=relaxed(world.policy))
    other = replace(newer.root, expires_at=newer.root.expires_at + timedelta(days=1))
    changed = replace(newer, links=(replace(newer.links[0], root=other),))
    return changed.small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_that_leaves_one_out(world: World, memory: Memory) -> Bundle:
    newer = Versions.of(world).then(policy=relaxed(world.policy)).then(policy=world.policy)
    return replace(newer, links=newer.links[1:]).small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_that_names_another_one_before_it(world: World, memory: Memory) -> Bundle:
    return Versions.of(world).then(policy=relaxed(world.policy), previous="00" * 32).small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_that_skips_a_number(world: World, memory: Memory) -> Bundle:
    return Versions.of(world).then(policy=relaxed(world.policy), version=3).small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_that_takes_a_keyset_away(world: World, memory: Memory) -> Bundle:
    return Versions.of(world).then(kind=KeysetChangeRequest, keysets=()).small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def keyset_whose_cosigners_have_not_signed(world: World, memory: Memory) -> Bundle:
    later = replace(world.keyset, id="kst_later")
    return Versions.of(world).then(kind=KeysetChangeRequest, keysets=(world.keyset, later)).small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def version_that_edits_an_asset(world: World, memory: Memory) -> Case:
    may_change = World(policy=DEMO_POLICY.replace("keyset_change, freeze", "keyset_change, root_change, freeze"))
    edited = tuple(replace(asset, decimals=2) for asset in world.root.assets)
    return Case(Versions.of(may_change).then(kind=RootChangeRequest, assets=edited).small(), judge=may_change)


@refused(Reason.SUCCESSION_NOT_PROVEN)
def new_operator_who_counts_without_waiting(world: World, memory: Memory) -> Case:
    careful = Careful()
    people = (*careful.root.operators, MALLORY)
    return Case(Versions.of(careful).then(kind=OperatorChangeRequest, operators=people).small(), judge=careful)


@refused(Reason.SUCCESSION_NOT_PROVEN)
def policy_change_that_enrols_somebody_as_well(world: World, memory: Memory) -> Bundle:
    return Versions.of(world).then(operators=(*world.root.operators, MALLORY)).small()


@refused(Reason.SUCCESSION_NOT_PROVEN)
def enrolment_that_changes_a_rule_as_well(world: World, memory: Memory) -> Bundle:
    people = (*world.root.operators, MALLORY)
    return Versions.of(world).then(policy=relaxed(world.policy), kind=OperatorChangeRequest, operators=people).small()


@refused(Reason.APPROVAL_INVALID)
def p053_approval_of_somebody_who_was_removed_since(world: World, memory: Memory) -> Bundle:
    people = tuple(person for person in world.root.operators if person.id != "carol")
    groups = {"operators": ("alice", "bob")}
    newer = Versions.of(world).then(policy=LEFT, kind=OperatorChangeRequest, operators=people, groups=groups)
    return newer.large(approvers=("alice", "carol"))


@refused(Reason.APPROVALS_MISSING)
def p053_approval_of_somebody_who_left_the_group_since(world: World, memory: Memory) -> Bundle:
    newer = Versions.of(world).then(policy=LEFT, kind=GroupChangeRequest, groups={"operators": ("alice", "bob")})
    return newer.large(approvers=("alice", "carol"))


@refused(Reason.ROOT_OLDER)
def p053_removal_that_the_bundle_hides(world: World, memory: Memory) -> Bundle:
    people = tuple(person for person in world.root.operators if person.id != "carol")
    groups = {"operators": ("alice", "bob")}
    newer = Versions.of(world).then(policy=LEFT, kind=OperatorChangeRequest, operators=people, groups=groups)
    return replace(world.large(approvers=("alice", "carol")), status=status_of(newer.root, now=NOW))


@refused(Reason.STATUS_MISSING)
def bundle_without_a_status_statement(world: World, memory: Memory) -> Bundle:
    return world.small(status=None)


@refused(Reason.STATUS_NOT_PROVEN)
def status_statement_by_the_daemon_itself(world: World, memory: Memory) -> Bundle:
    return _with_status(world, key=person_key("exchange"))


@refused(Reason.STATUS_NOT_PROVEN)
def status_statement_without_the_freeze_it_was_signed_with(world: World, memory: Memory) -> Bundle:
    signed = world.status(frozen=("everything",))
    return world.small(status=replace(signed, status=replace(signed.status, frozen=())))


@refused(Reason.STATUS_NOT_PROVEN)
def status_statement_of_a_time_to_come(world: World, memory: Memory) -> Bundle:
    return _with_status(world, now=NOW + timedelta(minutes=3))


@refused(Reason.STATUS_TOO_OLD)
def status_statement_past_its_time(world: World, memory: Memory) -> Bundle:
    return _with_status(world, now=NOW - timedelta(minutes=5), lifetime=timedelta(minutes=4))


@refused(Reason.STATUS_TOO_OLD)
def status_statement_older_than_our_own_limit(world: World, memory: Memory) -> Case:
    bundle = _with_status(world, now=NOW - timedelta(seconds=61), lifetime=timedelta(days=9))
    return Case(bundle, Limits(status_age_seconds=60))


@refused(Reason.STATUS_TURNED_BACK)
def status_statement_older_than_one_seen_here(world: World, memory: Memory) -> Bundle:
    with memory.exclusive():
        memory.note_status(world.status(number=7), now=NOW)
    return _with_status(world, number=6)


@refused(Reason.STATUS_TURNED_BACK)
def second_status_statement_of_one_number(world: World, memory: Memory) -> Bundle:
    with memory.exclusive():
        memory.note_status(world.status(number=7, frozen=("everything",)), now=NOW)
    return _with_status(world, number=7)


@refused(Reason.INTENT_WITHDRAWN)
def payment_whose_cancellation_the_bundle_hides(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    return replace(bundle, status=world.status(withdrawn=(bundle.payments[0].proven.intent.digest,)))


@refused(Reason.INTENT_WITHDRAWN)
def opening_whose_veto_the_bundle_hides(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    return replace(bundle, status=world.status(withdrawn=(bundle.openings[0].intent.digest,)))


@refused(Reason.KEY_REVOKED)
def request_by_a_revoked_key(world: World, memory: Memory) -> Bundle:
    return _with_status(world, revoked=("exchange-1",))


@refused(Reason.KEY_REVOKED)
def approval_by_a_revoked_key(world: World, memory: Memory) -> Bundle:
    return replace(world.large(), status=world.status(revoked=("bob-1",)))


@refused(Reason.KEY_REVOKED)
def opening_approved_by_a_revoked_key(world: World, memory: Memory) -> Bundle:
    return _with_status(world, revoked=("alice-1",))


@refused(Reason.FROZEN)
def everything_is_frozen(world: World, memory: Memory) -> Bundle:
    return _with_status(world, frozen=("everything",))


@refused(Reason.FROZEN)
def client_is_frozen(world: World, memory: Memory) -> Bundle:
    return _with_status(world, frozen=("client:acme",))


@refused(Reason.FROZEN)
def vault_is_frozen(world: World, memory: Memory) -> Bundle:
    return _with_status(world, frozen=("vault:kst_demo/7",))


@refused(Reason.FROZEN)
def asset_is_frozen(world: World, memory: Memory) -> Bundle:
    return _with_status(world, frozen=(f"asset:{world.root.assets[0].id}",))


@refused(Reason.VERSION_NOT_CONFIRMED)
def version_that_the_keyholder_has_not_read(world: World, memory: Memory) -> Case:
    newer = Versions.of(world).then(policy=relaxed(world.policy))
    return Case(newer.small(), Limits(confirm_versions=1))
