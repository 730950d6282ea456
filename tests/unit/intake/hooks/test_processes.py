"""Several processes on one host: a port that they share, and one each for health; what may be served in plain."""

import pytest

from broker.errors import PermanentError
from intake.hooks.processes import environment
from intake.hooks.settings import IntakeSettings


def settings(**changes: object) -> IntakeSettings:
    return IntakeSettings(database_dsn="postgresql://x", **changes)  # type: ignore[arg-type]


def test_each_has_a_health_port_of_its_own_and_shares_the_hooks() -> None:
    """Counted on from the first one's, which meets no port of the hooks."""
    given = settings(http_port=IntakeSettings.model_fields["http_port"].default)
    told = [environment(given, number, "/proc/self/fd/7") for number in range(64)]
    ports = [int(one["WATTLINE_INTAKE_HTTP_PORT"]) for one in told]
    assert ports == list(range(given.http_port, given.http_port + 64))
    assert given.hooks_port not in ports
    assert {one["WATTLINE_INTAKE_PROCESSES"] for one in told} == {"1"}
    assert {one["WATTLINE_INTAKE_REUSE_PORT"] for one in told} == {"true"}
    assert {one["WATTLINE_INTAKE_RATES_FILE"] for one in told} == {"/proc/self/fd/7"}
    assert environment(settings(http_port=0), 3, "")["WATTLINE_INTAKE_HTTP_PORT"] == "0"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_others_are_served_in_plain_by_name_only(host: str) -> None:
    """Behind a proxy, by TLS, or where it is said so."""
    with pytest.raises(PermanentError, match=r"HOOKS_HOST.*without TLS"):
        settings(hooks_host=host).check_files()
    settings(hooks_host=host, http_plaintext=True).check_files()
    settings(hooks_host=host, proxies="10.0.0.5").check_files()


def test_a_header_is_believed_of_named_proxies_only() -> None:
    """Anybody may write it."""
    with pytest.raises(PermanentError, match="CLIENT_NAME_HEADER"):
        settings(client_name_header="X-Name").check_files()
