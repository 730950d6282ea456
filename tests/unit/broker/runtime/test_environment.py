"""Settings out of the environment: what sets nothing is refused with the name that was meant, and no secret is told."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from broker.errors import PermanentError
from broker.runtime.environment import SettingsBase, read, unknown
from deploy.local.settings import LocalSettings
from device.settings import DeviceSettings
from device.updater.settings import UpdaterSettings
from gateway.settings import GatewaySettings
from grafana.settings import GrafanaSettings
from ingestor.settings import IngestorSettings
from ingestor.worker.settings import WorkerSettings
from store.cli import migrate

SERVICES: list[tuple[type[SettingsBase], str, str]] = [
    (GatewaySettings, "WATTLINE_GATEWAY_BROKER_PASSWORD", "WATTLINE_GATEWAY_BROKER__PASSWORD"),
    (IngestorSettings, "WATTLINE_INGESTOR_BROKER__PASWORD", "WATTLINE_INGESTOR_BROKER__PASSWORD"),
    (WorkerSettings, "WATTLINE_WORKER_DATABASE__DSN", "WATTLINE_WORKER_DATABASE_DSN"),
    (GrafanaSettings, "WATTLINE_GRAFANA_DB_PASSWORD", "WATTLINE_GRAFANA_DB__PASSWORD"),
    (GrafanaSettings, "WATTLINE_GRAFANA_LIMITS_JUMP_KW", "WATTLINE_GRAFANA_LIMITS__JUMP_KW"),
    (GrafanaSettings, "wattline_grafana_currancy", "WATTLINE_GRAFANA_CURRENCY"),
    (LocalSettings, "WATTLINE_LOCAL_CASHE", "WATTLINE_LOCAL_CACHE"),
]


@pytest.mark.parametrize(("settings", "given", "meant"), SERVICES)
def test_a_misspelt_variable_is_refused_with_the_nearest(
    settings: type[SettingsBase], given: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every service and command alike; what the variable holds may be a secret and is not told."""
    monkeypatch.setenv(given, "s3cret-of-the-test")
    with pytest.raises(PermanentError) as refused:
        read(settings)
    assert f"{given.upper()} is not a setting; did you mean {meant}?" in str(refused.value).splitlines()
    assert "s3cret" not in str(refused.value)


def test_a_device_starts_with_a_setting_that_its_software_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for the log: a Pi in the field can't wait for somebody to mend its environment."""
    monkeypatch.setenv("WATTLINE_DEVICE_PORT", "/dev/ttyS0")
    assert read(DeviceSettings).ports == ()
    assert unknown(DeviceSettings) == ["WATTLINE_DEVICE_PORT is not a setting; did you mean WATTLINE_DEVICE_PORTS?"]
    monkeypatch.setenv("WATTLINE_DEVICE_HTTP_PORT", "none")
    with pytest.raises(PermanentError, match="WATTLINE_DEVICE_HTTP_PORT"):
        read(DeviceSettings)


def test_the_store_s_settings_are_known_by_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`wattline migrate` takes them as options; before it asks the database it says what it does not know."""
    monkeypatch.setenv("WATTLINE_STORE_KEEP_READING", "1y")
    monkeypatch.setenv("WATTLINE_STORE_ZONE", "Europe/Warsaw")
    done = CliRunner().invoke(migrate, ["--dsn", "postgresql://nobody@127.0.0.1:9/none"])
    assert done.exit_code == 1
    assert "WATTLINE_STORE_KEEP_READING is not a setting; did you mean WATTLINE_STORE_KEEP_READINGS?" in done.output
    assert "WATTLINE_STORE_ZONE is" not in done.output


SECRET = "s3cret"
SECRETS = [
    (GatewaySettings, "WATTLINE_GATEWAY_API_TOKEN", SECRET),
    (UpdaterSettings, "WATTLINE_UPDATER_AGENT_URL", f"ftp://anna:{SECRET}@127.0.0.1"),
]


@pytest.mark.parametrize(("settings", "variable", "value"), SECRETS)
def test_a_secret_is_never_repeated(
    settings: type[SettingsBase], variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused token, password or address with a login in it is named and not shown: the journal keeps it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(PermanentError) as refused:
        read(settings)
    assert variable in str(refused.value)
    assert SECRET not in str(refused.value)


SERVICE_SETTINGS = (
    GatewaySettings, IngestorSettings, WorkerSettings, GrafanaSettings, DeviceSettings, UpdaterSettings, LocalSettings,
)  # fmt: skip
SECRET_WORDS = {"password", "passphrase", "token", "secret", "dsn"}


def fields_of(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """All fields of settings, those of their parts too, with their types as text."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields_of(field.annotation, (*above, name))
        else:
            yield (*above, name), str(field.annotation)


@pytest.mark.parametrize("settings", SERVICE_SETTINGS)
def test_each_secret_of_each_service_is_of_a_type_that_no_error_shows(
    settings: type[SettingsBase], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one of tomorrow, which its name gives away; and in a part that is given whole, as JSON of another type."""
    found = {path: kind for path, kind in fields_of(settings) if SECRET_WORDS & set(path[-1].split("_"))}
    secrets = {path: kind for path, kind in found.items() if not path[-1].endswith("_file")}
    assert [path for path, kind in secrets.items() if "SecretStr" not in kind] == []
    prefix = str(settings.model_config.get("env_prefix", ""))
    for part, name in (path for path in secrets if len(path) == 2):
        with monkeypatch.context() as given:
            given.setenv(f"{prefix}{part.upper()}", json.dumps({name: 987654321}))
            with pytest.raises(PermanentError) as refused:
                read(settings)
        assert f"{prefix}{part.upper()}__{name.upper()}" in str(refused.value)
        assert "987654321" not in str(refused.value)


def test_every_wrong_variable_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown ones, wrong values, and places inside of JSON, a line each."""
    monkeypatch.setenv("WATTLINE_GRAFANA_QQQ", "1")
    monkeypatch.setenv("WATTLINE_GRAFANA_CURRENCY__X", "EUR")
    monkeypatch.setenv("WATTLINE_GRAFANA_LIMITS__JUMP_KW", "-1")
    monkeypatch.setenv("WATTLINE_GRAFANA_ROUTES", '[{"contact": "ops", "mach": {}}]')
    with pytest.raises(PermanentError) as refused:
        read(GrafanaSettings)
    told = str(refused.value)
    assert "WATTLINE_GRAFANA_QQQ is not a setting; unset it" in told
    assert "WATTLINE_GRAFANA_CURRENCY__X is not a setting; did you mean WATTLINE_GRAFANA_CURRENCY?" in told
    assert "WATTLINE_GRAFANA_LIMITS__JUMP_KW: must be more than 0 (got '-1')" in told
    assert "WATTLINE_GRAFANA_ROUTES: [0].mach: is not known here" in told


def test_no_json_is_told_by_the_variable_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the name of a class of ours, and without what stands in it."""
    monkeypatch.setenv("WATTLINE_GRAFANA_CONTACT_POINTS", "[s3cret")
    with pytest.raises(PermanentError, match="WATTLINE_GRAFANA_CONTACT_POINTS is no JSON") as refused:
        read(GrafanaSettings)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {"BROKER__HOST": "mqtt", "BROKER__HOST__NAME": "s3cret"},
        {"BROKER__HOST__NAME": "s3cret", "BROKER__HOST": "mqtt"},
        {"BROKER": "5", "BROKER__HOST": "s3cret"},
    ],
)
def test_a_setting_that_is_given_whole_and_in_parts_is_told(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is passed over, and nobody gets a traceback."""
    for name, value in given.items():
        monkeypatch.setenv(f"WATTLINE_DEVICE_{name}", value)
    with pytest.raises(PermanentError, match="WATTLINE_DEVICE_BROKER__HOST") as refused:
        read(DeviceSettings)
    assert "s3cret" not in str(refused.value)


def test_what_others_set_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's own options, other prefixes, and what Kubernetes tells of a service named wattline-gateway."""
    for name, value in {
        "WATTLINE_GRAFANA_URL": "http://grafana.example",
        "WATTLINE_GRAFANA_TOKEN": "glsa",
        "WATTLINE_GATEWAY_DATABASE_DSN": "postgresql://db",
        "WATTLINE_GATEWAY_SERVICE_HOST": "10.0.0.1",
        "WATTLINE_GATEWAY_SERVICE_PORT": "80",
        "WATTLINE_GATEWAY_SERVICE_PORT_HTTP": "80",
        "WATTLINE_GATEWAY_PORT": "tcp://10.0.0.1:80",
        "WATTLINE_GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
        "WATTLINE_GATEWAYX": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert read(GrafanaSettings).currency == "EUR"
    assert read(GatewaySettings).http_port == 8080
    monkeypatch.setenv("WATTLINE_GATEWAY_PORT", "8080")
    with pytest.raises(PermanentError, match="WATTLINE_GATEWAY_PORT is not a setting; did you mean"):
        read(GatewaySettings)
