"""What the agent holds in its memory: the modules that it loads, when it is imported and when it has run."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from click.testing import CliRunner

from deploy.local.process import free_port
from device.__main__ import main
from device.version import software_version

LIBRARIES = {
    "annotated_types", "click", "paho", "pydantic", "pydantic_core", "serial", "serial_asyncio", "structlog",
    "typing_extensions", "typing_inspection",
}  # fmt: skip
"""All that are not Python's and not ours. Each takes a part of the 50 MiB: to add one wants a reason."""
ROOMS = {"broker", "device", "meters"}
LEFT_OUT = {
    "importlib.metadata", "email.message", "zipfile", "csv", "tempfile", "http.client", "unittest", "cryptography",
    "yaml", "broker.runtime.settings_help", "meters.specs.catalogue", "meters.wires.dlms.client", "xml",
}  # fmt: skip
"""Python's and our own large modules that it has no need of."""
RUN = """
import sys
before = set(sys.modules)
import device.__main__, asyncio, json
from pathlib import Path
from device.light_imports import DEFERRED
from device.service import run
from device.settings import DeviceSettings

async def agent():
    stop = asyncio.Event()
    stop.set()
    return await run(DeviceSettings(), stop)

asyncio.run(agent())
print(json.dumps({
    "names": sorted(set(sys.modules) - before),
    "foreign": sorted({
        name.partition(".")[0] for name, module in sys.modules.items()
        if name not in before and "site-packages" in (getattr(module, "__file__", None) or "")
    }),
    "deferred": [name for name in DEFERRED if "__getattr__" in vars(sys.modules[name])],
}))
"""
USE = """
import device.light_imports, importlib, sys, threading, urllib
import pydantic.plugin._loader as plugins
assert not list(plugins.get_plugins())
found = []
def use(): found.append(urllib.request.getproxies_environment())
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 8
import urllib.request, asyncio, importlib.metadata
assert asyncio.sslproto.SSLProtocol.__module__ == "asyncio.sslproto"
assert urllib.request.Request("http://localhost").host == "localhost"
assert not hasattr(urllib.request, "nonsense")
assert importlib.metadata.version("pydantic")
"""


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_agent_that_has_run_holds_no_module_that_a_pi_can_do_without(tmp_path: Path) -> None:
    """Started and stopped without a broker; what it needs for a meter of a protocol comes with that meter."""
    settings = {
        "BROKER__HOST": "127.0.0.1", "BROKER__PORT": str(free_port()), "DEVICE_ID": "pi-1", "PORTS": "/dev/none",
        "DATA_FOLDER": str(tmp_path), "HTTP_PORT": str(free_port()), "STOP_S": "0.1",
    }  # fmt: skip
    last = python(RUN, **{f"WATTLINE_DEVICE_{name}": value for name, value in settings.items()}).splitlines()[-1]
    loaded = json.loads(last)
    names = set(loaded["names"])
    assert "device.agent" in names
    assert not names & LEFT_OUT
    assert set(loaded["foreign"]) <= LIBRARIES
    assert {name.partition(".")[0] for name in names} >= ROOMS
    assert not {name.partition(".")[0] for name in names} & {"ingestor", "gateway", "store", "intake", "outlet", "cli"}
    assert set(loaded["deferred"]) == {"urllib.request", "asyncio.sslproto"}


def test_what_is_deferred_is_there_for_who_asks() -> None:
    """From several threads at once, by each form of import, and Python's own `importlib.metadata` as it is."""
    python(USE)


def test_the_version_is_the_installed_one() -> None:
    """Read off the distribution's folder, as its metadata has it."""
    assert software_version() == version("wattline")


def test_help_names_the_settings() -> None:
    """Read when help is asked for, and not before."""
    assert "WATTLINE_DEVICE_BROKER__HOST (" in CliRunner().invoke(main, ["--help"]).output
