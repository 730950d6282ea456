"""How a provider is set, and who somebody is by its claims."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.oidc import OidcError, OidcSettings, name_of, role_of
from gateway.roles import Role

WHOLE = {
    "issuer": "https://login.example",
    "client_id": "wattline",
    "url": "https://w.example",
    "roles": "ops=engineer",
}


def settings(**changes: Any) -> OidcSettings:
    return OidcSettings.model_validate({**WHOLE, **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": "http://login.example"}, "issuer must begin with https"),
        ({"url": "http://w.example"}, "url must begin with https"),
        ({"roles": ""}, "roles is missing"),
        ({"roles": "ops"}, "give values with their roles"),
        ({"roles": "ops=king"}, "give values with their roles"),
        ({"client_id": ""}, "client_id is missing"),
        ({"scopes": "profile"}, "openid among them"),
    ],
)
def test_half_a_provider_is_refused(changes: dict[str, str], told: str) -> None:
    """What can't work, or not safely, ends the start with what to give."""
    with pytest.raises(ValidationError, match=told):
        settings(**changes)


@pytest.mark.parametrize(
    ("roles", "claims", "role"),
    [
        ("ops=engineer,bosses=admin", {"groups": ["bosses", "ops"]}, Role.ADMIN),
        ("ops=engineer,*=viewer", {"groups": []}, Role.VIEWER),
        ("ops=engineer,*=viewer", {}, Role.VIEWER),
        ("CN=ops,OU=x=engineer", {"groups": "CN=ops"}, None),
        ("ops=engineer", {"groups": "ops"}, Role.ENGINEER),
        ("ops=engineer", {"groups": ["*", 7, None]}, None),
        ("ops=engineer", {}, None),
    ],
)
def test_the_highest_role_counts(roles: str, claims: dict[str, Any], role: Role | None) -> None:
    """A star is anybody, and never a value of the claim; who has none is refused."""
    try:
        found = settings(roles=roles)
    except ValidationError:
        assert role is None
        return
    if role is None:
        with pytest.raises(OidcError, match="gives a role"):
            role_of(claims, found)
    else:
        assert role_of(claims, found) is role


def test_roles_and_names_come_from_where_the_provider_has_them() -> None:
    """Objects within objects, as Keycloak's; addresses become names; nothing is no name."""
    nested = settings(role_claim="realm_access.roles", name_claim="email")
    assert role_of({"realm_access": {"roles": ["ops"]}}, nested) is Role.ENGINEER
    assert role_of({"realm_access.roles": ["ops"]}, nested) is Role.ENGINEER
    assert name_of({"email": "Anna Ö@firm.example"}, nested) == "Anna-firm.example"
    for claims in ({}, {"email": "@@"}, {"email": 7}):
        with pytest.raises(OidcError, match="no name in email"):
            name_of(claims, nested)
