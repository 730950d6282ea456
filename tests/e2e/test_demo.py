"""`make demo`'s program, run as a user runs it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)


async def demo(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.demo", *arguments),
        cwd=ROOT,
        env={**os.environ, "TERM": "dumb"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_demo_stores_every_published_reading_once(tmp_path: Path) -> None:
    """Three Pis let themselves in over TLS, every reading is stored once, a parameter is changed and obeyed."""
    path = tmp_path / "r.json"
    process = await demo("--for", "25", "--report", str(path))
    _, err = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode == 0, err.decode()[-3000:]
    report = json.loads(path.read_text())
    assert report["devices_registered"] == 3
    assert report["quarantine_reasons"] == {}
    assert "unknown" not in report
    identified = {(meter["device"], meter["protocol"]) for meter in report["meters_identified"]}
    assert identified == {
        ("pi-north", "p1"),
        ("pi-south", "sml"),
        ("pi-west", "iec62056-21"),
        ("pi-west", "sml"),
    }
    assert all(meter["manufacturer"] and meter["product"] for meter in report["meters_identified"])
    assert not any(meter["spec"].startswith("generic") for meter in report["meters_identified"])
    assert report["readings_published"] == report["readings_stored"] > 200
    assert (report["readings_lost"], report["readings_repeated"], report["ledger_lost"]) == (0, 0, 0)
    assert report["tls"] is True
    assert 0 < report["enrolled_s"] < report["first_reading_s"] + 1
    assert report["first_reading_s"] < 60
    assert 0 < report["latency_p50_s"] <= report["latency_p99_s"]
    change = report["parameter_change"]
    assert (change["parameter"], change["from"], change["to"]) == ("reading_interval_s", 1.0, 3.0)
    assert change["reported_after_s"] < 5
    assert change["effect_seen"] is True
    history = report["history"]
    assert (history["device"], history["meter"]) == ("pi-west", "EMH:12345678")
    assert (history["gap_s"], history["intervals"], history["missing"]) == (10800, 12, 0)
    assert 0 < history["healed_s"] < 90
    told = err.decode()
    assert "pi-west was away for 3 h: 12 intervals came from the load profile of EMH:12345678" in told
    assert "MQTT, TLS" in told
    assert "/ca/root.pem" in told
    assert report["versions"]["timescaledb_edition"] in {"apache", "community"}


async def test_a_meter_that_nobody_knows_is_read_within_seconds_and_its_history_filled(tmp_path: Path) -> None:
    """A fourth Pi's frames are kept, the commands of README make a spec of them, and nothing of the past is missing."""
    path = tmp_path / "r.json"
    process = await demo("--for", "20", "--unknown", "--report", str(path))
    _, err = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode == 0, err.decode()[-3000:]
    report = json.loads(path.read_text())
    assert report["devices_registered"] == 4
    assert ("pi-east", "qvx-enova-s1@1") in {(one["device"], one["spec"]) for one in report["meters_identified"]}
    unknown = report["unknown"]
    assert unknown["frames_kept"] >= 10
    assert 0 < unknown["first_live_reading_after_s"] < 5
    assert unknown["redecoded_readings"] >= 10 * 6
    assert unknown["history_complete"] is True
    assert (report["readings_lost"], report["readings_repeated"], report["ledger_lost"]) == (0, 0, 0)
    assert set(report["quarantine_reasons"]) == {"no_spec"}
    assert "wattline spec draft --from-frames" in err.decode()


async def test_ctrl_c_ends_the_demo_with_its_report(tmp_path: Path) -> None:
    """SIGINT drains, reports and exits; no process of the demo is left."""
    path = tmp_path / "r.json"
    process = await demo("--report", str(path))
    assert process.stderr is not None
    lines = []
    async with asyncio.timeout(120):
        while not any("stored" in line and "stored 0 " not in line for line in lines[-1:]):
            line = await process.stderr.readline()
            assert line, "".join(lines)
            lines.append(line.decode())
    await others_join_by_own_env(lines)
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert json.loads(path.read_text())["readings_lost"] == 0
    folder = next(line.split()[1] for line in lines if line.strip().startswith("logs"))
    assert left_over(str(Path(folder).parent)) == []


async def others_join_by_own_env(lines: list[str]) -> None:
    """A login that is added holds at once, and intake, bridge and outlet run by the file of settings that is named."""
    told = {words[0]: " ".join(words[1:]) for line in lines if len(words := line.split()) > 1}
    (own,) = [word.rstrip(";") for word in told["your"].split() if word.endswith("own.env;")]
    folder = Path(own).parent / "mosquitto"
    address = told["MQTT"].split()[0]
    added = await joined(own, f"broker add-user --folder {folder} --address {address} --role engineer wattline-anna")
    assert "may log in" in added
    assert "once Mosquitto starts" not in added
    for service, says in (("intake", "listening"), ("bridge", "broker_connected"), ("outlet", "broker_connected")):
        assert says in await joined(own, service, says)


async def joined(own: str, words: str, until: str = "") -> str:
    """What a command says with the settings of the demo's file, to its end or `until` it says this."""
    command = f"set -a; . {own}; set +a; exec {sys.executable} -m cli {words}"
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "WATTLINE_INTAKE_HOOKS_PORT": "0"},
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(120):
        while line := (await process.stdout.readline()).decode():
            said += line
            if until and until in line:
                process.terminate()
                break
        await process.communicate()
    return said


def left_over(folder: str) -> list[str]:
    """Command lines of processes that still name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(entry.read_bytes().decode(errors="replace"))
    return [line for line in found if folder in line]
