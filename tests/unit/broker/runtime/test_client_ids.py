"""Client ids of services: none that a device could enrol by, since it would push the service out of the broker."""

import pytest
from pydantic import SecretStr, ValidationError

from broker.contract.identity import check_identity, is_reserved
from gateway.settings import GatewaySettings
from ingestor.settings import IngestorSettings

SERVICES = (GatewaySettings, IngestorSettings)
DSN = SecretStr("postgresql://h/w")


@pytest.mark.parametrize("settings", SERVICES)
@pytest.mark.parametrize("client_id", ["ingestor-0", "gateway-east", "wattline", "pi-1", "Wattline-ingestor"])
def test_a_device_s_name_is_no_service_s(settings: type[GatewaySettings | IngestorSettings], client_id: str) -> None:
    """Whatever a device may be called is refused at start; the error names the setting and one that would do."""
    assert not is_reserved(check_identity(client_id)), "a device may have it"
    with pytest.raises(ValidationError) as refused:
        settings(database_dsn=DSN, client_id=client_id)
    (error,) = refused.value.errors()
    assert error["loc"] == ("client_id",)
    assert f"call it wattline-{client_id}" in error["msg"]


@pytest.mark.parametrize("settings", SERVICES)
def test_the_platform_s_names_are_taken(settings: type[GatewaySettings | IngestorSettings]) -> None:
    """The default, and one for each of several."""
    assert is_reserved(settings(database_dsn=DSN).client_id)
    assert settings(database_dsn=DSN, client_id="wattline-2").client_id == "wattline-2"
