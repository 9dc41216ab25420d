"""One HTTP call: who calls, under which request id, and the unit its domain call runs in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request

from custody.api.auth import Caller, Role
from custody.api.entering import Entrance, enter
from custody.api.problems import RoleRefused
from custody.bootstrap import Runtime
from custody.db import Unit
from custody.db.unit import UnitConflict
from custody.trust.operations import InForce, hold_still, in_force

TRIES: Final = 3

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """What an endpoint works with."""

    runtime: Runtime
    caller: Caller
    request_id: str
    entrance: Entrance = field(default_factory=Entrance)

    def unit(self, work: Callable[[Unit], Result]) -> Result:
        """Run ``work`` in one unit and commit; the whole unit again, at most three times, where two units met."""
        for left in reversed(range(TRIES)):
            try:
                with self.runtime.database.unit() as unit:
                    self.entrance.pass_through(unit)
                    result = work(unit)
                self.entrance.is_passed = True
                return result
            except UnitConflict:
                if not left:
                    raise
        raise AssertionError("the loop returns or raises")

    def trusting(self, work: Callable[[Unit, InForce], Result]) -> Result:
        """As ``unit``, with the trust root in force."""
        return self.unit(lambda unit: work(unit, in_force(unit.session)))

    def letting_in(self, work: Callable[[Unit, InForce], Result]) -> Result:
        """As ``trusting``, and no version comes into force meanwhile.

        One that takes a passkey away ends what the passkey opened: what is opened here must be there to be ended.
        """

        def held(unit: Unit) -> Result:
            hold_still(unit.session)
            return work(unit, in_force(unit.session))

        return self.unit(held)


def admit(*roles: Role) -> Callable[[Request], Awaitable[Call]]:
    """A dependency that lets callers of ``roles`` in. Raises ``RoleRefused``, and what ``enter`` raises.

    It runs in the call's own task, not in a thread, so that whatever the call logs afterwards names the caller.
    """

    async def let_in(request: Request) -> Call:
        caller, entrance = await enter(request)
        if caller.role not in roles:
            raise RoleRefused(f"not for a {caller.role}; accepted are callers who are {' or '.join(roles)}")
        return Call(request.app.state.runtime, caller, request.state.request_id, entrance)

    return let_in


AsReader = Annotated[Call, Depends(admit(Role.REQUESTER, Role.OPERATOR, Role.COSIGNER, Role.READER))]
"""A service only states things: it sees nobody's money."""
AsRequester = Annotated[Call, Depends(admit(Role.REQUESTER))]
AsOperator = Annotated[Call, Depends(admit(Role.OPERATOR))]
AsCosigner = Annotated[Call, Depends(admit(Role.COSIGNER))]
AsService = Annotated[Call, Depends(admit(Role.SERVICE))]
AsServiceOrOperator = Annotated[Call, Depends(admit(Role.SERVICE, Role.OPERATOR))]
AsOutside = Annotated[Call, Depends(admit(Role.SERVICE, Role.COSIGNER, Role.OPERATOR))]
"""Programs and people who check the rules for themselves."""
AsRequesterOrOperator = Annotated[Call, Depends(admit(Role.REQUESTER, Role.OPERATOR))]
