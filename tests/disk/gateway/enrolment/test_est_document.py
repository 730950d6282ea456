"""The document about the enrolment's resources: that it is one, and has all of them."""

from openapi_spec_validator import validate

from gateway.api.enrolment.est import PREFIX, EstServer
from gateway.enrolment.requests import MAX_BYTES
from gateway.enrolment.settings import EnrolmentSettings
from tests.rigs.est_document import DOCUMENT


def test_all_resources_are_written() -> None:
    """By OpenAPI's own rules; paths, methods, port and bounds are those of the code."""
    validate(DOCUMENT)
    written = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    server = EstServer(None, None, (), None, None)  # type: ignore[arg-type]  # nothing of it is asked for its routes
    assert {(route.method, route.path.removeprefix(PREFIX)) for route in server.routes()} == written
    [where] = DOCUMENT["servers"]
    assert where["url"].endswith(PREFIX)
    assert where["variables"]["port"]["default"] == str(EnrolmentSettings().port)
    [content] = DOCUMENT["components"]["requestBodies"]["Request"]["content"].values()
    assert content["schema"]["maxLength"] == MAX_BYTES
