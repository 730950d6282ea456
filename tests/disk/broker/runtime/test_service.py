"""The service runtime: settings, health, backoff, and errors that a person can act on."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr

from broker.backoff import Backoff
from broker.errors import ContractError, FrameError, PermanentError
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.http_server import serve_health
from broker.runtime.service import Health
from broker.runtime.settings import BrokerAddress, ProcessSettings
from device.settings import DeviceSettings
from gateway.settings import GatewaySettings
from ingestor.settings import IngestorSettings
from ingestor.worker.settings import WorkerSettings

ROOT = Path(__file__).parents[4]


def test_backoff_grows_to_its_cap_with_full_jitter() -> None:
    """Delays lie between nought and a ceiling that doubles up to the cap."""
    backoff = Backoff(first_s=1, cap_s=8)
    draws = [[Backoff(first_s=1, cap_s=8, attempts=attempt).next_s() for _ in range(200)] for attempt in range(6)]
    for attempt, drawn in enumerate(draws):
        ceiling = min(8, 2**attempt)
        assert min(drawn) >= 0
        assert ceiling * 0.8 < max(drawn) <= ceiling
        assert min(drawn) < ceiling * 0.2
    for _ in range(100):
        assert backoff.next_s() <= 8


def test_backoff_forgives_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each second of success takes a doubling back: what stood for some seconds is tried again soon."""
    clock = SimpleNamespace(now_s=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now_s)
    backoff = Backoff(first_s=1, cap_s=30)
    for lasted_s, attempts in ((0.5, 6), (3.2, 3), (60, 1)):
        for _ in range(20):
            backoff.next_s()
        backoff.succeeded()
        clock.now_s += lasted_s
        backoff.next_s()
        # the draw itself counts as an attempt, below the cap
        assert backoff.attempts == min(5, attempts)


def test_backoff_keeps_away_where_it_is_told_to() -> None:
    """A success that ended in a refusal forgives nothing, however long it lasted."""
    backoff = Backoff(first_s=1, forgive_s=0, attempts=4)
    backoff.succeeded()
    backoff.forgive_nothing()
    backoff.next_s()
    assert backoff.attempts == 5


def test_password_comes_from_its_file(tmp_path: Path) -> None:
    """A password file's text is the password; a missing file is an error that names the setting."""
    path = tmp_path / "word"
    path.write_text("secret\n")
    assert BrokerAddress(password_file=path).secret() == "secret"
    assert BrokerAddress(password=SecretStr("direct")).secret() == "direct"
    assert BrokerAddress().secret() is None
    with pytest.raises(PermanentError, match="password_file"):
        BrokerAddress(password_file=tmp_path / "none").secret()


class Ours(ProcessSettings):
    """A service's settings."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_OURS_")


async def test_healthz_tells_what_fails_and_metrics_speak_prometheus() -> None:
    """200 while all checks are well, 503 with the failing check's detail else."""
    health, registry = Health(), CollectorRegistry()
    Counter("wattline_things", "Things.", registry=registry).inc(3)
    state = [True]
    health.add("broker", lambda: (state[0], "up" if state[0] else "no connection"))
    async with serve_health(health, registry, Ours()) as port, aiohttp.ClientSession() as http:
        base = f"http://127.0.0.1:{port}"
        async with http.get(f"{base}/healthz") as answer:
            assert answer.status == 200
        state[0] = False
        async with http.get(f"{base}/healthz") as answer:
            assert answer.status == 503
            assert (await answer.json())["checks"]["broker"] == {"ok": False, "detail": "no connection"}
        async with http.get(f"{base}/metrics") as answer:
            assert "wattline_things_total 3.0" in await answer.text()


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    """Two services on one port: the second says which address and which variable to set."""
    health, registry = Health(), CollectorRegistry()
    async with serve_health(health, registry, Ours()) as port:
        with pytest.raises(PermanentError, match=rf"127\.0\.0\.1:{port}: .*; set WATTLINE_OURS_HTTP_PORT to another"):
            async with serve_health(health, registry, Ours(http_port=port)):
                pass


def test_each_service_has_a_port_of_its_own() -> None:
    """All on one machine start without a setting, and the page for operators has the ports."""
    kinds = (GatewaySettings, IngestorSettings, WorkerSettings, DeviceSettings)
    ports = {kind.model_config["env_prefix"]: kind.model_fields["http_port"].default for kind in kinds}
    assert sorted(ports.values()) == [8080, 8081, 8082, 8083]
    page = (ROOT / "docs" / "OPERATE.md").read_text("utf-8")
    for prefix, port in ports.items():
        assert f"| `{prefix}HTTP_PORT` | {port} |" in page


SERVICE = """
import asyncio
from broker.errors import PermanentError
from broker.runtime.service import load, run_service
from broker.runtime.settings import ServiceSettings
from broker.runtime.environment import SettingsConfigDict

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="WATTLINE_TEST_")

async def run(settings, stop):
    if settings.log_level == "error":
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
    print("ready", flush=True)
    await stop.wait()
    print("drained", flush=True)
    return 75 if settings.log_level == "warning" else None

async def fail():
    raise PermanentError("wrong credentials; set another password")

run_service("test", load(Settings), run)
"""


def service(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVICE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin", **environment},
    )


def test_a_service_may_name_its_exit_status() -> None:
    """A supervisor sees why it ended, once it has drained."""
    with service(WATTLINE_TEST_LOG_LEVEL="warning") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (75, "drained\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_let_a_service_drain(number: signal.Signals) -> None:
    """SIGTERM and SIGINT set `stop`; the service ends with status 0 after its drain."""
    with service() as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
        assert out == "drained\n"
        assert process.returncode == 0


def test_wrong_settings_are_named_without_a_traceback() -> None:
    """Each wrong environment variable is named with its reason."""
    with service(WATTLINE_TEST_BROKER__PORT="abc", WATTLINE_TEST_LOG_LEVEL="loud") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "WATTLINE_TEST_BROKER__PORT" in err
    assert "WATTLINE_TEST_LOG_LEVEL" in err
    assert "Traceback" not in err


def test_permanent_errors_end_a_service_with_their_message() -> None:
    """A PermanentError in any task ends the process with status 1 and one line."""
    with service(WATTLINE_TEST_LOG_LEVEL="error") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "wattline test: wrong credentials; set another password" in err
    assert "Traceback" not in err


def test_errors_carry_their_facts() -> None:
    """Facts stand in attributes, and the text says them."""
    frame = FrameError("crc_mismatch", "stated 1234", offset=17, data=b"x")
    assert (frame.reason, frame.offset, frame.data) == ("crc_mismatch", 17, b"x")
    assert str(frame) == "crc_mismatch: stated 1234 (at byte 17)"
    contract = ContractError("must be positive", field="seq", fix="count from 1")
    assert str(contract) == "seq: must be positive (count from 1)"
