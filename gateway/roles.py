"""Who may do what: the roles, what each covers, and which one a request needs."""

from enum import StrEnum

from gateway.faults import Fault, Kind, Refusal


class Role(StrEnum):
    """What somebody may do; each may all that the ones before may."""

    VIEWER = "viewer"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role is enough."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


def needed_role(method: str, named: Role | None) -> Role:
    """The lowest role that may call a route, the one that it names or else by its HTTP method.

    Viewers may GET, engineers all else. Pure.
    """
    return named or (Role.VIEWER if method == "GET" else Role.ENGINEER)


def role_refusal(name: str, role: Role, needed: Role, deed: str) -> Refusal:
    """What somebody is told whose role is not enough to do a deed (`revoke a token`)."""
    reason = f"{name} has the role {role}; to {deed}, the role {needed} is needed"
    fix = f"use a token with the role {needed}, or ask an admin to do it"
    return Refusal(Kind.FORBIDDEN, f"{reason}; {fix}", [Fault("role", reason, fix)])
