"""The demo's fleet: simulated Pis, each an agent process with its simulated meters on real ptys."""

import contextlib
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.demo.platform import Platform
from deploy.demo.processes import Service, running
from deploy.demo.unknown import DEVICE as UNKNOWN_DEVICE
from device.service import RESTART_STATUS
from device.simulator import SimulatedD0Meter, SimulatedP1Meter, SimulatedSmlMeter
from device.simulator.products import PRODUCTS

HISTORY_DEVICE = "pi-west"
HISTORY_METER = "EMH:12345678"
"""Reads its meter's load profile for the hours in which it was away."""
OWN_DEVICE = "pi-own"
"""Of whoever lets one of their own join."""
MORE_USES = 100


@dataclass(frozen=True, slots=True)
class Pi:
    """A simulated Raspberry Pi: its id, its meters, its agent."""

    name: str
    meters: tuple[Any, ...]
    agent: Service


def _meters(*, unknown: bool) -> dict[str, tuple[Any, ...]]:
    """One meter of each protocol, a second one at the third Pi, and on request a fourth Pi with one nobody knows."""
    wired: dict[str, tuple[Any, ...]] = {
        "pi-north": (SimulatedP1Meter(serial="E0044007133156018", seed=1, interval_s=1.0),),
        "pi-south": (SimulatedSmlMeter(serial="0067362659", seed=2, interval_s=1.0),),
        "pi-west": (
            PRODUCTS["emh-lzqj"].make("12345678", seed=3),
            SimulatedSmlMeter(serial="0067369001", seed=4, interval_s=2.0),
        ),
    }
    if unknown:
        wired[UNKNOWN_DEVICE] = (SimulatedD0Meter(serial="40028157", seed=5, interval_s=1.0),)
    return wired


@contextlib.asynccontextmanager
async def start_fleet(platform: Platform, *, unknown: bool = False) -> AsyncIterator[list[Pi]]:
    """Plug the Pis in; leaving stops the agents first, which flush their outboxes, and then the meters."""
    async with contextlib.AsyncExitStack() as exits:
        wired = _meters(unknown=unknown)
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        uses = len(wired) + MORE_USES
        claim = await platform.api.post("/claims", {"site": "demo", "uses": uses, "until": until})
        _write_own(platform, claim)
        pis = []
        for name, meters in wired.items():
            for meter in meters:
                await exits.enter_async_context(meter)
            pis.append(Pi(name, meters, _agent(platform, claim, name, [str(meter.port) for meter in meters])))
        for pi in pis:
            await exits.enter_async_context(running(pi.agent))
        yield pis


def own_environment(folder: Path) -> Path:
    """The file of settings by which an agent, intake, bridge, outlet and commands of one's own join the demo."""
    return folder / "own.env"


def _write_own(platform: Platform, claim: dict[str, Any]) -> None:
    own = {"WATTLINE_URL": platform.api.url, "WATTLINE_TOKEN": platform.api.token}
    own |= _environment(platform, claim, OWN_DEVICE) | platform.others_environment()
    file = own_environment(platform.folder)
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in own.items()))


def _environment(platform: Platform, claim: dict[str, Any], name: str) -> dict[str, str]:
    """What an image carries: where the platform is, its CA, a claim. Who it is the Pi gets by itself."""
    data, broker = platform.folder / name, platform.stack.mosquitto
    data.mkdir(exist_ok=True, mode=0o700)
    return {
        "WATTLINE_DEVICE_BROKER__HOST": broker.host,
        "WATTLINE_DEVICE_BROKER__PORT": str(broker.device_port),
        "WATTLINE_DEVICE_ENROL__URL": platform.enrolment_url,
        "WATTLINE_DEVICE_ENROL__AUTHORITY": str(platform.authority),
        "WATTLINE_DEVICE_ENROL__CLAIM": claim["name"],
        "WATTLINE_DEVICE_ENROL__TOKEN": claim["token"],
        # several Pis share this machine, and so its id
        "WATTLINE_DEVICE_ENROL__HARDWARE_ID": f"board-{name}",
        "WATTLINE_DEVICE_DEVICE_ID": name,
        # several Pis share this machine
        "WATTLINE_DEVICE_HTTP_PORT": "0",
        "WATTLINE_DEVICE_DATA_FOLDER": str(data),
    }


def _agent(platform: Platform, claim: dict[str, Any], name: str, ports: list[str]) -> Service:
    environment = _environment(platform, claim, name) | {
        "WATTLINE_DEVICE_LOG_FORMAT": "json",
        "WATTLINE_DEVICE_PORTS": ",".join(ports),
    }
    return Service(name, ["device"], environment, platform.folder / "logs", restart_status=RESTART_STATUS)
