"""What `deploy/compose.yaml` and `deploy/Dockerfile` promise, as far as that can be said without Docker."""

import json
import re
import tomllib
from graphlib import TopologicalSorter
from hashlib import sha256
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from broker.mosquitto.config import MAX_DEVICES, MAX_SERVICES
from broker.runtime.settings_help import variables
from cli.__main__ import main
from gateway.settings import GatewaySettings
from grafana.build import HOME
from ingestor.settings import IngestorSettings
from ingestor.worker.settings import WorkerSettings
from intake.bridge.settings import BridgeSettings
from intake.hooks.settings import IntakeSettings
from store.settings import StoreSettings
from tests.rigs.compose_file import COMPOSE, DEPLOY, environment, filled, raw

TOP = DEPLOY.parent
EXAMPLE = environment(DEPLOY / ".env.example")
GIVEN = {name: value or sha256(name.encode()).hexdigest()[:48] for name, value in EXAMPLE.items()}
SERVICES: dict[str, dict[str, Any]] = filled(GIVEN)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("wattline/")}
SETTINGS = {
    "ingestor": IngestorSettings,
    "worker": WorkerSettings,
    "intake": IntakeSettings,
    "bridge": BridgeSettings,
    "gateway": GatewaySettings,
}
BY_SETTINGS = pytest.mark.parametrize("name", SETTINGS)


def test_it_is_a_compose_file() -> None:
    """It holds by the Compose Specification's own schema, before and after its variables are filled in."""
    # of check-jsonschema 0.39.0; the specification's licence is Apache-2.0
    schema = json.loads((TOP / "tests" / "data" / "compose-spec.json").read_text("utf-8"))
    validator = Draft202012Validator(schema)
    for document in (raw(), filled(GIVEN)):
        assert [error.message for error in validator.iter_errors(document)] == []
    wrong = filled(GIVEN)
    wrong["services"]["broker"]["restarts"] = "always"
    assert not validator.is_valid(wrong)


def test_images_are_pinned_and_name_no_registry() -> None:
    """Each has a whole version, and is found wherever the machine's Docker looks."""
    images = {service["image"] for service in SERVICES.values()}
    stages = re.findall(r"^FROM (?:--\S+ )?(\S+) AS (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    images |= {image for image, _ in stages} - {name for _, name in stages} - {"scratch"}
    for image in images:
        name, _, tag = image.partition(":")
        assert re.match(r"\d+\.\d+\.\d+(-[a-z0-9-]+)?$", tag), image
        assert "." not in name, image
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in OURS.values()} == {f"wattline/server:{version}"}


def test_secrets_have_no_default_and_each_variable_is_explained() -> None:
    """A missing variable stops Docker; every one is in .env.example, and nothing else is there; secrets are empty."""
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE.read_text()))
    assert used == set(EXAMPLE)
    assert "${" not in re.sub(r"\$\{\w+:\?[^}]*\}", "", COMPOSE.read_text()), "a variable that may be missing"
    for name, value in EXAMPLE.items():
        assert bool(value) != name.endswith(("_PASSWORD", "_TOKEN")), name
        with pytest.raises(KeyError, match=name):
            filled({**GIVEN, name: ""})


def test_what_is_mounted_exists() -> None:
    """Every folder and file of the repository, and every volume."""
    seen = set()
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                path = (DEPLOY / source).resolve()
                assert path.exists(), mount
                assert path.is_relative_to(TOP)
                assert rest.endswith(":ro"), f"{mount}: what is in git is not written to"
                seen.add(path)
            else:
                assert source in raw()["volumes"], mount
    assert {HOME / "provisioning", HOME / "dashboards"} <= seen
    (build,) = [service["build"] for service in OURS.values() if "build" in service]
    assert (DEPLOY / build["context"]).resolve() == TOP
    assert f" AS {build['target']}\n" in (TOP / build["dockerfile"]).read_text()
    assert all("build" in service or service["pull_policy"] == "never" for service in OURS.values())


@BY_SETTINGS
def test_every_variable_is_a_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service knows every variable that it is given, and its settings take them."""
    given = SERVICES[name]["environment"]
    assert set(given) <= {variable.name for variable in variables(SETTINGS[name])}
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = SETTINGS[name]()  # type: ignore[call-arg]
    assert settings.http_port == 8080
    if isinstance(settings, GatewaySettings):
        assert settings.tls_by() == "own authority"
        assert f"{settings.enrolment.port}" in {port.rpartition(":")[2] for port in SERVICES[name]["ports"]}
    assert (SERVICES[name]["depends_on"]["broker"], SERVICES[name]["restart"]) == (
        {"condition": "service_healthy"},
        "unless-stopped",
    )


def test_migrate_and_grafana_know_theirs_too() -> None:
    """`migrate` has an option for each; Grafana's files ask for each, and for no other."""
    given = set(SERVICES["migrate"]["environment"])
    assert given <= {f"WATTLINE_STORE_{name.upper()}" for name in ("dsn", *StoreSettings.model_fields)}
    files = [file.read_text("utf-8") for file in (HOME / "provisioning").rglob("*.yaml") if "alerting" not in str(file)]
    asked = {name for text in files for name in re.findall(r"^[^#]*?\$\{?(WATTLINE_\w+)", text, re.MULTILINE)}
    asked |= {name for text in files for name in re.findall(r":\$\{?(WATTLINE_\w+)", text)}
    assert {name for name in SERVICES["grafana"]["environment"] if name.startswith("WATTLINE_")} == asked


def test_commands_are_wattline_s() -> None:
    """Whatever the image is started with is a command of `wattline`."""
    commands = [service["command"] for service in OURS.values() if "entrypoint" not in service]
    assert sorted(commands) == [["bridge"], ["gateway"], ["ingestor"], ["intake"], ["migrate"], ["worker"]]
    for command in commands:
        assert CliRunner().invoke(main, [*command, "--help"]).exit_code == 0
    assert 'ENTRYPOINT ["wattline"]' in (DEPLOY / "Dockerfile").read_text()


def test_whoever_runs_on_is_watched_and_waits_for_what_it_needs() -> None:
    """What is to stay up has a health check and limits its log; what runs once is waited for by others."""
    waited_for = {
        (name, how["condition"]) for service in SERVICES.values() for name, how in service.get("depends_on", {}).items()
    }
    for name, service in SERVICES.items():
        assert service["logging"]["options"]["max-size"]
        if "restart" in service:
            assert service["healthcheck"]["test"]
        else:
            assert (name, "service_completed_successfully") in waited_for, "up --wait would take its end for a failure"
    for name, condition in waited_for:
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[name], f"nobody would ever find {name} healthy"
        else:
            assert condition == "service_completed_successfully"
            assert "restart" not in SERVICES[name], f"{name} would never be over"


def test_who_holds_many_connections_may_open_as_many_files() -> None:
    """Docker's own limit may be 1024, of which the broker alone would be full with a thousand devices."""
    assert SERVICES["broker"]["ulimits"]["nofile"] > MAX_DEVICES + MAX_SERVICES
    assert SERVICES["intake"]["ulimits"]["nofile"] > 2 * IntakeSettings.model_fields["http_connections"].default
    assert SERVICES["gateway"]["ulimits"]["nofile"] > 2 * GatewaySettings.model_fields["http_connections"].default


def test_each_container_is_confined() -> None:
    """Whoever gets into one writes nothing there, has no right of the kernel's, and a share of memory."""
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service["tmpfs"], name
        assert 0 < service["pids_limit"] <= 500, name
        assert re.fullmatch("[1-9][0-9]*g", service["mem_limit"]), name
        assert "privileged" not in service
        assert all("docker.sock" not in mount for mount in service.get("volumes", ()))
    # they give files to the accounts whose they are
    makers = ["broker-files", "certificates"]
    assert [name for name, service in SERVICES.items() if "cap_add" in service] == makers
    assert [name for name, service in SERVICES.items() if service.get("user", "").partition(":")[0] == "0"] == makers
    written = {
        name for name, service in SERVICES.items() if any(":ro" not in one for one in service.get("volumes", ()))
    }
    assert written == {"database", *makers, "broker", "gateway", "grafana"}


def test_only_who_needs_the_database_reaches_it() -> None:
    """Two services meet where both are on one network; those of database and messages lead nowhere else."""

    def peers(name: str) -> set[str]:
        shared = set(SERVICES[name].get("networks", ()))
        return {other for other, one in SERVICES.items() if shared & set(one.get("networks", ()))} - {name}

    assert peers("database") == {
        "migrate",
        "database-roles",
        "ingestor",
        "worker",
        "intake",
        "bridge",
        "gateway",
        "grafana",
    }
    # who adds logins while the broker runs
    assert peers("broker") == {"ingestor", "bridge", "gateway", "broker-files"}
    assert "store" not in SERVICES["broker-files"]["networks"]
    networks = raw()["networks"]
    assert {name for name, how in networks.items() if how and how.get("internal")} == {"store", "messages", "hooks"}
    for name, service in SERVICES.items():
        alone = service.get("network_mode") == "none"
        assert alone or service.get("networks"), f"{name} is on everybody's network"
        open_to_all = {network for network in service.get("networks", ()) if not networks[network]} - {"outside"}
        assert bool(open_to_all) == ("ports" in service), f"{name}: only what is published is reached from outside"
    assert {name for name, service in SERVICES.items() if "outside" in service.get("networks", ())} == {"worker"}


def test_only_the_gateway_has_the_authority_s_keys_and_nothing_is_published_in_plain() -> None:
    """Who makes them and who signs mount them; everybody else gets the public part. No listener of MQTT is plain."""
    mounted = {
        name for name, service in SERVICES.items() for one in service.get("volumes", ()) if one.startswith("authority:")
    }
    assert mounted == {"broker-files", "gateway"}
    assert {
        (name, one.partition(":")[0])
        for name, service in SERVICES.items()
        for one in service.get("volumes", ())
        if (one.startswith("services:") or "-login:" in one) and name not in ("broker-files", "certificates")
    } == {(one, f"{one}-login") for one in ("ingestor", "gateway", "bridge")}, (
        "each has its own login, none what signs them"
    )
    assert "trust:/trust:ro" in SERVICES["ingestor"]["volumes"]
    assert "--plaintext" not in (DEPLOY / "compose" / "broker.sh").read_text("utf-8")
    for service in SERVICES.values():
        assert not [name for name in service.get("environment", ()) if "PLAINTEXT" in name]
    published = {port.rpartition(":")[2] for name in ("broker", "gateway") for port in SERVICES[name]["ports"]}
    assert published == {"8883", "8884", "8443", "8080"}


def test_no_secret_is_an_argument() -> None:
    """What `ps` and `docker top` show to everybody: commands, entrypoints and health checks name no secret."""
    secrets = {value for name, value in GIVEN.items() if not EXAMPLE[name]}
    for name, service in SERVICES.items():
        words = json.dumps([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
        assert not any(secret in words for secret in secrets), name
        assert not re.search(r"\$\w*(PASSWORD|TOKEN)", words), f"{name}: a shell there fills it in"


def test_everything_can_start_in_some_order() -> None:
    """Nothing waits for itself, by however many others, and all that is waited for is there."""
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    order = list(TopologicalSorter(waits).static_order())
    assert set(order) == set(SERVICES)
    assert order.index("database") < order.index("migrate") < order.index("database-roles") < order.index("grafana")
    assert order.index("broker-files") < order.index("broker") < order.index("ingestor")
