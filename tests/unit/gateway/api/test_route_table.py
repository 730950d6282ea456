"""No two routes of the API in each other's way."""

import pytest

from gateway.api.app import require_distinct
from gateway.api.route import Answer, Call, Route


async def nothing(_: Call) -> Answer:
    return Answer(None)


def route(method: str, path: str, name: str) -> Route:
    return Route(method, path, name, "A route.", nothing, None)


@pytest.mark.parametrize(
    "second",
    [("GET", "/claims", "listMeterClaims"), ("POST", "/meter-claims", "listClaims")],
    ids=["of one path", "of one name"],
)
def test_a_second_route_that_nobody_would_reach_is_refused(second: tuple[str, str, str]) -> None:
    """The router would take the first, and the document the last."""
    with pytest.raises(ValueError, match="two routes are"):
        require_distinct([route("GET", "/claims", "listClaims"), route(*second)])


def test_one_path_may_have_several_methods() -> None:
    require_distinct([route("GET", "/claims", "listClaims"), route("POST", "/claims", "createClaim")])
