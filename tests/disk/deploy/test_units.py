"""The systemd units: what they start, what they allow, and that systemd takes them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from broker.runtime.http_bounds import RESERVED_FILES
from broker.runtime.settings_help import variables
from cli.commands import COMMANDS
from device.service import RESTART_STATUS
from device.settings import DeviceSettings
from device.updater.service import SUCCESSION
from device.updater.settings import UpdaterSettings
from device.updater.slots import CURRENT, FALLBACK, UPDATER
from gateway.settings import GatewaySettings
from ingestor.settings import IngestorSettings
from ingestor.worker.settings import WorkerSettings
from intake.bridge.settings import BridgeSettings
from intake.hooks.settings import IntakeSettings
from outlet.settings import OutletSettings
from tests.rigs.systemd import Unit, environment_file, parse

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
SETTINGS = {
    "device": DeviceSettings,
    "gateway": GatewaySettings,
    "ingestor": IngestorSettings,
    "bridge": BridgeSettings,
    "intake": IntakeSettings,
    "outlet": OutletSettings,
    "updater": UpdaterSettings,
    "worker": WorkerSettings,
}
BY_SERVICE = pytest.mark.parametrize("name", SETTINGS)
KNOWN = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec"},
    "Service": {
        "Type", "ExecStart", "ExecStopPost", "EnvironmentFile", "LoadCredential", "Environment", "StateDirectory",
        "StateDirectoryMode",
        "SupplementaryGroups", "Restart", "RestartSec", "LimitNOFILE", "SuccessExitStatus", "TimeoutStopSec",
        "DynamicUser", "UMask", "CapabilityBoundingSet", "NoNewPrivileges",
        "ProtectSystem", "ProtectHome", "ProtectProc", "PrivateTmp",
        "PrivateDevices", "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
        "ProtectKernelModules", "ProtectKernelTunables", "LockPersonality", "RestrictAddressFamilies",
        "Nice", "NotifyAccess", "ReadWritePaths", "WatchdogSec",
        "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures",
        "SystemCallErrorNumber", "SystemCallFilter",
    },
    "Install": {"WantedBy"},
}  # fmt: skip
"""Keys of systemd.unit(5), .service(5) and .exec(5) that we use; a misspelt one is a warning to systemd, no more."""


def unit(name: str) -> Unit:
    return parse((FOLDER / f"wattline-{name}.service").read_text("utf-8"))


def test_every_service_has_a_unit() -> None:
    """One for each, one that renews certificates, and one for a worker of backups."""
    found = {path.stem.removeprefix("wattline-") for path in FOLDER.glob("*.service")}
    assert found - {"certificates", "backup"} == set(SETTINGS) <= set(COMMANDS)
    assert found & {"certificates", "backup"} == {"certificates", "backup"}


def test_backups_are_a_worker_s_of_root_s_which_writes_into_their_folder_alone(tmp_path: Path) -> None:
    """It reads all and becomes PostgreSQL's owner, and what it is told are settings of a worker for backups alone."""
    read = unit("backup")
    assert {section: set(keys) - KNOWN[section] for section, keys in read.items()} == {name: set() for name in KNOWN}
    service = read["Service"]
    assert service["ExecStart"] == ["/opt/wattline/bin/wattline worker"]
    assert service["EnvironmentFile"] == ["/etc/wattline/backup.env"]
    subprocess.run(["sh", str(FOLDER / "secrets.sh"), str(tmp_path)], check=True, capture_output=True, timeout=60)
    told = environment_file(tmp_path / "backup.env")
    assert set(told) <= {variable.name for variable in variables(WorkerSettings)}
    assert (
        told["WATTLINE_WORKER_DATABASE_DSN"]
        == environment_file(tmp_path / "worker.env")["WATTLINE_WORKER_DATABASE_DSN"]
    )
    assert service["ReadWritePaths"] == [told["WATTLINE_WORKER_BACKUP_FOLDER"]]
    assert told["WATTLINE_WORKER_BACKUP_ONLY"] == "true"
    assert int(told["WATTLINE_WORKER_HTTP_PORT"]) != WorkerSettings.model_fields["http_port"].default
    assert service["CapabilityBoundingSet"] == ["CAP_DAC_READ_SEARCH CAP_KILL CAP_SETGID CAP_SETUID"]
    assert read["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_certificates_of_services_are_looked_at_every_day() -> None:
    """By the script that README installs, in README's folders; also after days in which the machine was off."""
    service, timer = unit("certificates")["Service"], parse((FOLDER / "wattline-certificates.timer").read_text("utf-8"))
    assert service["ExecStart"] == ["/bin/sh /etc/wattline/certificates.sh /etc/wattline /var/lib/mosquitto/wattline"]
    assert service["ReadWritePaths"] == ["/etc/wattline /var/lib/mosquitto/wattline"]
    assert (timer["Timer"]["OnCalendar"], timer["Timer"]["Persistent"]) == (["daily"], ["yes"])


def test_a_renewed_certificate_restarts_its_service_alone(tmp_path: Path) -> None:
    """What is missing is made, for its owner alone; nothing is said or done where nothing is due."""
    programs, settings, broker, asked = (tmp_path / name for name in ("bin", "etc", "broker", "asked"))
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    (programs / "wattline").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    for path in programs.iterdir():
        path.chmod(0o755)

    def run() -> str:
        asked.write_text("")
        path = f"{programs}:{os.environ['PATH']}"
        words = ["sh", str(FOLDER / "certificates.sh"), str(settings), str(broker)]
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(FOLDER.parents[1])}
        done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True, timeout=120)
        return done.stdout

    settings.mkdir()
    run()
    made = [settings / "ingestor.pem", settings / "gateway.pem", broker / "wattline-admin.pem"]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert not [path for path in settings.rglob("*") if path.stat().st_mode & 0o077]
    assert run() == asked.read_text() == ""
    made[1].unlink()
    assert "gateway.pem, until" in run()
    assert asked.read_text().splitlines() == ["is-active --quiet wattline-gateway", "restart wattline-gateway"]


@BY_SERVICE
def test_a_unit_starts_its_service_with_settings_that_it_knows(name: str) -> None:
    """Keys are systemd's own, the command is ours, each variable is a setting; it comes back after a failure."""
    read = unit(name)
    assert {section: set(keys) - KNOWN[section] for section, keys in read.items()} == {name: set() for name in KNOWN}
    service = read["Service"]
    folder = f"/opt/wattline/{UPDATER}" if name == "updater" else "/opt/wattline"
    assert service["ExecStart"] == [f"{folder}/bin/wattline {name}"]
    assert service["EnvironmentFile"] == [f"{'-' if name == 'updater' else ''}/etc/wattline/{name}.env"]
    known = {variable.name for variable in variables(SETTINGS[name])}
    assert {pair.partition("=")[0] for pair in service.get("Environment", [])} <= known
    assert ("LoadCredential" in service) is (name != "updater")
    stopped = [f"-/opt/wattline/{FALLBACK}/bin/wattline updater ended"] if name == "updater" else []
    assert service.get("ExecStopPost", []) == stopped
    assert service["Restart"] in (["always"], ["on-failure"])
    assert float(service["RestartSec"][0]) > 0
    assert read["Unit"]["StartLimitIntervalSec"] == ["0"], "systemd would give up after five failures"
    assert ("DynamicUser" in service) is (name != "updater")
    assert service["CapabilityBoundingSet"] == (["CAP_DAC_READ_SEARCH"] if name == "updater" else [])
    assert service["SystemCallErrorNumber"] == ["EPERM"], "a call that is refused would kill the service"


def test_the_agent_comes_back_after_a_command_and_reaches_its_ports() -> None:
    """`restart` ends it with a status that is no failure; hot-plugged ports and the kernel's clock are not shut out."""
    service = unit("device")["Service"]
    assert service["SuccessExitStatus"] == [str(RESTART_STATUS)]
    assert service["Restart"] == ["always"]
    assert "dialout" in service["SupplementaryGroups"]
    assert not {"PrivateDevices", "ProtectClock", "DevicePolicy", "DeviceAllow"} & set(service)
    # libc's adjtimex is the system call clock_adjtime
    assert {"adjtimex", "clock_adjtime"} <= set(" ".join(service["SystemCallFilter"]).split())
    assert f"/var/lib/{service['StateDirectory'][0]}" == str(DeviceSettings.model_fields["data_folder"].default)


def test_the_updater_starts_the_agent_from_its_slot_and_gives_way_to_the_next() -> None:
    """Its folders are those of its settings, which both units name; ending for another is no failure."""
    service, defaults = unit("updater")["Service"], UpdaterSettings.model_fields
    assert service["SuccessExitStatus"] == [str(SUCCESSION)]
    assert service["ReadWritePaths"] == [str(defaults["root"].default)]
    assert f"/var/lib/{service['StateDirectory'][0]}" == str(defaults["state_folder"].default)
    assert DeviceSettings.model_fields["updater_folder"].default == defaults["state_folder"].default
    assert defaults["inbox"].default == DeviceSettings.model_fields["data_folder"].default / "software"
    assert service["StateDirectoryMode"] == ["0755"]
    drop_in = parse((FOLDER / "device-slots.conf").read_text("utf-8"))["Service"]
    assert drop_in == {"ExecStart": [f"/opt/wattline/{CURRENT}/bin/wattline device"]}
    assert defaults["agent_restart"].default == ("systemctl", "restart", "wattline-device")


def test_the_gateway_may_open_as_many_files_as_its_listeners_hold_connections() -> None:
    """By itself systemd gives it 1024, of which the API alone could take all but a few."""
    (files,) = unit("gateway")["Service"]["LimitNOFILE"]
    assert int(files) > 2 * GatewaySettings.model_fields["http_connections"].default + RESERVED_FILES


def test_systemd_takes_them(tmp_path: Path) -> None:
    """By `systemd-analyze verify`, without a word, where the machine has it; a misspelt key would be one."""
    program = shutil.which("systemd-analyze")
    if program is None:
        # a machine without systemd: the strict reading above has to do
        assert not Path("/usr/lib/systemd/systemd").exists(), "systemd without systemd-analyze: install systemd"
        return
    for path in FOLDER.glob("*.service"):
        # it looks whether the program is there
        (tmp_path / path.name).write_text(
            re.sub(r"/opt/wattline/(updater/)?bin/wattline", "/bin/true", path.read_text())
        )
    said = _verified(program, *sorted(tmp_path.glob("*.service")))
    assert said == ""
    wrong = tmp_path / "wattline-worker.service"
    wrong.write_text(wrong.read_text().replace("ProtectClock", "ProtectClok"))
    assert "ProtectClok" in _verified(program, wrong)


def _verified(program: str, *paths: Path) -> str:
    done = subprocess.run(
        [program, "verify", "--man=no", *paths], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


def test_secrets_are_made_once_and_are_settings(tmp_path: Path) -> None:
    """Each file is its owner's alone and names settings of its service; a second run changes nothing."""
    folder = tmp_path / "etc"
    command = ["sh", str(FOLDER / "secrets.sh"), str(folder), "db.example:5433/meters"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {
        "backup.env", "bridge.env", "gateway.env", "ingestor.env", "intake.env", "meter-keys", "outlet.env",
        "roles.env", "worker.env",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    roles = environment_file(folder / "roles.env")
    assert len({*roles.values()}) == 5
    for name in ("bridge", "gateway", "ingestor", "intake", "outlet", "worker"):
        given = environment_file(folder / f"{name}.env")
        assert set(given) <= {variable.name for variable in variables(SETTINGS[name])}
        role = {"worker": "ingestor", "bridge": "intake"}.get(name, name)
        password = roles[f"WATTLINE_{role.upper()}_DB_PASSWORD"]
        dsn = f"postgresql://wattline_{role}:{password}@db.example:5433/meters"
        assert given[f"WATTLINE_{name.upper()}_DATABASE_DSN"] == dsn
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made
    # as it was before there was an intake and an outlet: their roles' passwords are added, and all else stays
    old = [line for line in made["roles.env"].splitlines() if "INTAKE" not in line and "OUTLET" not in line]
    (folder / "roles.env").write_text("\n".join(old) + "\n")
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (folder / "roles.env").read_text().splitlines()[:-2] == old
    assert set(environment_file(folder / "roles.env")) == set(roles)
