"""Services and commands with settings that can't be right: one sentence that names the setting, and nothing else."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.rigs import forking
from tests.rigs.servers import Broker, Database

SERVICES = {"gateway": "wattline_gateway", "ingestor": "wattline_ingestor", "device": ""}
"""Those at the broker, with their role in the database."""
STRAY = ("never retrieved", "never awaited", "was destroyed", "Traceback", "library_message", "unhandled")


async def ended(*words: str, executed: bool = False, **environment: str) -> tuple[int, str]:
    """Run `wattline ...` until it ends by itself; its status and all that it wrote."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATTLINE_", "PYTHONASYNCIO"))}
    process = await forking.start(
        "cli", *words, env=kept | environment, stdout=forking.PIPE, stderr=forking.STDOUT, executed=executed
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, output.decode()


def reach(service: str, broker: Broker, database: Database, folder: Path) -> dict[str, str]:
    """Settings by which a service would run."""
    prefix = f"WATTLINE_{service.upper()}_"
    found = {"BROKER__HOST": broker.host, "BROKER__PORT": str(broker.port), "BROKER__ROOT": broker.topics.root}
    if SERVICES[service]:
        found["DATABASE_DSN"] = database.dsn(SERVICES[service])
    else:
        found |= {"DEVICE_ID": "pi-1", "DATA_FOLDER": str(folder), "PORTS": "/dev/nope"}
    return {prefix + name: value for name, value in {**found, "HTTP_PORT": "0" if service != "gateway" else ""}.items()
            if value}  # fmt: skip


def only_sentences(output: str, last: str) -> None:
    """Log lines of its own, then the sentence, and nothing behind it."""
    assert not any(word in output for word in STRAY), output
    *lines, told = output.splitlines()
    assert last in told, output
    for line in lines:
        document: dict[str, Any] = json.loads(line)
        assert next(iter(document)) == "event"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("PASSWORD_FILE", "/nope", "/nope: No such file or directory; name a readable file"),
        ("PASSWORD_FILE", "/", "/: Is a directory; name a readable file"),
        ("TLS_CA", "/nope", "/nope: No such file or directory; name a readable PEM file"),
        ("TLS_CA", "/etc/hostname", "/etc/hostname holds no CA certificate"),
    ],
)
async def test_a_file_that_is_of_no_use_is_named_with_its_setting(
    broker: Broker, database: Database, tmp_path: Path, service: str, setting: str, value: str, told: str
) -> None:
    """Before anything else is begun, by the variable's whole name."""
    name = f"WATTLINE_{service.upper()}_BROKER__{setting}"
    found = reach(service, broker, database, tmp_path) | {name: value}
    # one for each service from its first line, the imports
    status, output = await ended(service, executed=setting == "PASSWORD_FILE" and value == "/nope", **found)
    assert status == 1
    only_sentences(output, f"wattline {service}: {name}: {told}")


@pytest.mark.parametrize("service", ["gateway", "ingestor"])
async def test_a_wrong_password_ends_a_service_with_a_sentence(
    broker: Broker, database: Database, tmp_path: Path, service: str
) -> None:
    """Whatever was under way in the database at that moment leaves no message behind."""
    name = f"WATTLINE_{service.upper()}_BROKER__PASSWORD"
    status, output = await ended(service, **reach(service, broker, database, tmp_path), **{name: "wrong"})
    assert status == 1
    only_sentences(output, "check BROKER__USERNAME and BROKER__PASSWORD")


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (["worker"], {"WATTLINE_WORKER_DATABASE_DSN": "nonsense"}, "the database's DSN does not start with"),
        (["ingestor"], {"WATTLINE_INGESTOR_DATABASE_DSN": "nonsense"}, "the database's DSN does not start with"),
        (
            ["gateway"],
            {"WATTLINE_GATEWAY_DATABASE_DSN": "nonsense", "WATTLINE_GATEWAY_HTTP_PORT": "0"},
            "the database's DSN does not start with",
        ),
        (["config", "get", "pi-1", "--url", "http://127.0.0.1:9"], {}, "no gateway answers at http://127.0.0.1:9"),
        (["export", "/nope/x.csv", "--url", "http://127.0.0.1:9"], {}, "http://127.0.0.1:9"),
        (["spec", "validate", "/nope.yaml"], {}, "/nope.yaml: No such file or directory"),
        (["simulate", "--link", "/nope/x"], {}, "/nope/x"),
        (["simulate", "--protocol", "sml", "--serial", "x"], {}, "ten digits"),
    ],
)
async def test_other_mistakes_end_in_a_sentence(words: list[str], environment: dict[str, str], told: str) -> None:
    """No traceback and no message of asyncio's, whichever command it is."""
    status, output = await ended(*words, **environment)
    assert status == 1
    assert not any(word in output for word in STRAY), output
    assert told in output.splitlines()[-1]
