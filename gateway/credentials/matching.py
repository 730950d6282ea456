"""What is to be done so that a broker lets in whom the store does, and nobody whom it has revoked; pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from broker.contract.topics import Topics
from broker.mosquitto.dynamic_security import (
    Command,
    Held,
    Present,
    device_login,
    mend_login,
    own_roles,
    put_login,
    put_role,
    remove_login,
)
from gateway.credentials.store import CredentialState


@dataclass(frozen=True, slots=True)
class Difference:
    """Identities, each where the broker differs from the store, in order."""

    revoked: tuple[str, ...]
    """Let in by the broker, and revoked: they go first."""
    missing: tuple[str, ...]
    """Granted to certificates, and unknown to the broker: it has forgotten them, or they are new."""
    wrong: tuple[str, ...]
    """Let in with other roles than a device's own, with another's client id, or disabled."""
    lost: tuple[str, ...]
    """Granted to passwords, and unknown to the broker: only a new password lets them in."""
    found: tuple[str, ...]
    """Devices' logins that somebody made at the broker."""

    @property
    def unmatched(self) -> int:
        """As to how many logins the broker does not do what the store says, and can be made to."""
        return len(self.revoked) + len(self.missing) + len(self.wrong)


def difference(states: Iterable[CredentialState], logins: Mapping[str, Present]) -> Difference:
    """Compare the store with a broker's logins, of which each is a device's or not."""
    known = {state.identity: state for state in states}
    active = {name: state for name, state in known.items() if not state.revoked}
    absent = {name: state for name, state in active.items() if name not in logins}
    return Difference(
        revoked=tuple(sorted(name for name in known.keys() - active.keys() if name in logins)),
        missing=tuple(sorted(name for name, state in absent.items() if state.kind == "certificate")),
        wrong=tuple(sorted(name for name in active.keys() & logins.keys() if _is_wrong(name, logins[name]))),
        lost=tuple(sorted(name for name, state in absent.items() if state.kind == "password")),
        found=tuple(sorted(name for name, login in logins.items() if login.is_device and name not in known)),
    )


def changes(
    states: Collection[CredentialState], logins: Mapping[str, Present], roles: Collection[str], topics: Topics
) -> tuple[Difference, list[Command]]:
    """How some devices' logins are made to match, and the commands for it.

    `states` are all that these devices ever had, `logins` and `roles` those of them that the broker has now. Roles
    stay, also of a device that has no login left: Mosquitto 2.0 goes on with freed memory where a role is deleted that
    a login still has, as another may have got it meanwhile.
    """
    found = difference(states, logins)
    commands = [remove_login(name) for name in found.revoked]
    held = Held(frozenset(logins), frozenset(roles))
    let_in = [device_login(name) for name in (*found.missing, *found.wrong)]
    wanted = {name: grants for login in let_in for name, grants in own_roles(login, topics).items()}
    commands += [put_role(name, grants, held) for name, grants in wanted.items() if name not in roles]
    for name in found.missing:
        commands += put_login(device_login(name), None, held)
    for name in found.wrong:
        commands += mend_login(device_login(name))
    return found, commands


def _is_wrong(identity: str, at_broker: Present) -> bool:
    wanted, login = device_login(identity), at_broker.login
    # one without a client id was let in so by hand, for somebody who speaks as several
    bound_to_another = login.client_id not in (None, wanted.client_id)
    return at_broker.disabled or set(login.roles) != set(wanted.roles) or bound_to_another
