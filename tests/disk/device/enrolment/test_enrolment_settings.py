"""What an agent is told that enrols, as the unit of systemd and docs/OPERATE.md tell it."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from broker.errors import PermanentError
from broker.runtime.settings import BrokerAddress
from device.settings import DeviceSettings, EnrolSettings
from tests.rigs.self_signed import made


@pytest.mark.parametrize("password", ["", "of another time"])
def test_a_certificate_needs_no_password_and_none_is_sent(tmp_path: Path, password: str) -> None:
    """The unit names a password's file, whatever is in it: an agent that enrols starts, for a broker elsewhere."""
    (tmp_path / "password").write_text(password)
    broker = BrokerAddress(host="server", port=8883, password_file=tmp_path / "password")
    enrol = EnrolSettings(
        url="https://server:8443", authority=made(tmp_path).certificate, claim="warsaw-1", token=SecretStr("wlc_0")
    )
    DeviceSettings(broker=broker, enrol=enrol).check_files()


def test_a_password_to_a_broker_elsewhere_wants_tls(tmp_path: Path) -> None:
    """Without enrolment it is the login."""
    (tmp_path / "password").write_text("word")
    broker = BrokerAddress(host="server", port=8883, password_file=tmp_path / "password")
    with pytest.raises(PermanentError, match="WATTLINE_DEVICE_BROKER__TLS_CA"):
        DeviceSettings(broker=broker).check_files()
