"""Who may do what."""

import pytest

from gateway.faults import Kind
from gateway.roles import Role, needed_role, role_refusal


def test_each_role_may_what_the_ones_before_it_may() -> None:
    """A viewer, an engineer, an admin, in this order."""
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("method", "named", "needed"),
    [
        ("GET", None, Role.VIEWER),
        ("POST", None, Role.ENGINEER),
        ("PATCH", None, Role.ENGINEER),
        ("DELETE", None, Role.ENGINEER),
        ("GET", Role.ADMIN, Role.ADMIN),
        ("POST", Role.VIEWER, Role.VIEWER),
    ],
)
def test_viewers_read_and_engineers_change_unless_a_route_says_otherwise(
    method: str, named: Role | None, needed: Role
) -> None:
    """A route that names no role goes by its method."""
    assert needed_role(method, named) is needed


def test_who_may_not_is_told_which_role_may() -> None:
    """Who they are, what they wanted, and what would do instead."""
    refused = role_refusal("anna", Role.VIEWER, Role.ADMIN, "revoke a token")
    assert refused.kind is Kind.FORBIDDEN
    assert refused.faults[0].reason == "anna has the role viewer; to revoke a token, the role admin is needed"
    assert "an admin" in refused.faults[0].fix
