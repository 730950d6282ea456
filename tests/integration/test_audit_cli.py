"""`wattline audit` and the ledger in the API: whole, or what is missing by device, boot, numbers and times."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.audit import audit
from deploy.local.process import free_port
from store.ledger import fold
from tests.rigs.cli import typed
from tests.rigs.gateway import gateway, gateway_settings
from tests.rigs.grafana.year import connected
from tests.rigs.ledger import devices
from tests.rigs.servers import Broker, Database

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(hours=4)


async def came(opened: Any, of: int, boot: str, numbers: list[int], minute: float, resent: int | None = None) -> None:
    """Messages a second apart, from so many minutes after SINCE on."""
    start = SINCE + timedelta(minutes=minute)
    await opened.executemany(
        "INSERT INTO message (received_at, stored_at, seq, device_id, boot, rows, kind, resent)"
        " VALUES ($1, $1, $2, $3, $4, 4, 1, $5)",
        [(start + timedelta(seconds=n), seq, of, boot, resent) for n, seq in enumerate(numbers)],
    )


async def told(opened: Any, of: int, boot: str, seq: int, minute: float) -> None:
    at = SINCE + timedelta(minutes=minute)
    await opened.execute("INSERT INTO ledger_boot_end VALUES ($1, $2, $3, $4)", of, boot, seq, at)


def minute(number: float) -> str:
    return (SINCE + timedelta(minutes=number)).isoformat()


async def test_a_range_is_proved_or_what_is_missing_is_named(broker: Broker, database: Database) -> None:
    """What came before, after and again is not missing; a hole, a lost end and a boot of which nothing came are."""
    async with connected(database) as opened, gateway(gateway_settings(broker, database)) as running:
        await devices(opened, "d1", "d2", "d3")
        await opened.execute("UPDATE device SET online = true")
        # of before the range, by days, by minutes, and beginning in it
        await came(opened, 1, "aaaa", [*range(1, 50)], -5000)
        await came(opened, 1, "aaaa", [*range(50, 60), *range(63, 70)], 10)
        await came(opened, 1, "aaaa", [60, 61, 62], 200, resent=1)
        await came(opened, 2, "bbbb", [*range(1, 30)], -10)
        await came(opened, 2, "bbbb", [29, *range(30, 40)], 5)
        await fold(opened, now=NOW)
        span = ("--since", minute(0), "--until", minute(100))
        whole = await typed(running, audit, *span, "--json")
        assert whole.exit_code == 0, whole.output
        found = json.loads(whole.output)
        assert (found["whole"], found["devices"], found["messages"], found["came_at_another_time"]) == (True, 2, 28, 0)
        assert "whole: 28 messages of 2 devices, none missing" in (await typed(running, audit, *span)).output

        await came(opened, 2, "bbbb", [43], 20)
        await told(opened, 2, "bbbb", 45, 30)
        await told(opened, 2, "cccc", 7, 30)
        await came(opened, 3, "dddd", [3, 4], 40)
        await came(opened, 3, "eeee", [2**53], 41)
        await fold(opened, now=NOW)
        result = await typed(running, audit, *span, "--json")
        assert result.exit_code == 1, result.output
        missing = json.loads(result.output)["missing"]
        assert [(one["device"], one["boot"], one["low"], one["high"], one["expected"]) for one in missing] == [
            ("d2", "bbbb", 40, 42, False),
            ("d2", "bbbb", 44, 45, False),
            ("d2", "cccc", 1, 7, False),
            ("d3", "dddd", 1, 2, False),
        ]
        assert [(one["after_at"], one["before_at"]) for one in missing[:3]] == [
            ((SINCE + timedelta(minutes=5, seconds=10)).isoformat(), minute(20)),
            (minute(20), minute(30)),
            (None, minute(30)),
        ]
        shown = (await typed(running, audit, *span, "--device", "d2")).output
        assert "missing: 12 messages beside 12 messages of 1 device" in shown
        assert "40-42" in shown
        assert "its beginning" in shown
        alone = await typed(running, audit, *span, "--device", "d1")
        assert (alone.exit_code, "whole: 17 messages of 1 device" in alone.output) == (0, True)
        await came(opened, 2, "bbbb", [40, 41, 42, 44, 45], 220, resent=1)
        await came(opened, 2, "cccc", [*range(1, 8)], 221, resent=2)
        healed = await typed(running, audit, *span, "--device", "d2", "--json")
        assert (healed.exit_code, json.loads(healed.output)["came_at_another_time"]) == (0, 5)
        await in_the_api(running, opened)


async def in_the_api(running: Any, opened: Any) -> None:
    """The figures of the same by device and boot, page by page, and what is missing by the summary."""
    await fold(opened, now=NOW)
    found = await running.get("/ledger?limit=2")
    assert [(one["device"], one["lost"], one["healed"], one["repeated"]) for one in found["items"]] == [
        ("d1", 0, 3, 0),
        ("d2", 0, 12, 1),
    ]
    rest = await running.get(f"/ledger?limit=2&cursor={found['next']}")
    assert [(one["device"], one["messages"], one["implausible"]) for one in rest["items"]] == [("d3", 3, 1)]
    boots = (await running.get("/devices/d2/ledger"))["items"]
    assert [(one["boot"], one["last_seq"], one["messages"], one["healed"], one["ended_seq"]) for one in boots] == [
        ("bbbb", 45, 45, 5, 45),
        ("cccc", 7, 7, 7, 7),
    ]
    holes = (await running.get("/ledger/holes"))["items"]
    assert [(one["device"], one["low"], one["high"], one["lost"]) for one in holes] == [("d3", 1, 2, False)]


async def test_what_can_not_be_found_out_is_no_verdict(broker: Broker, database: Database) -> None:
    """A mistake, or a gateway that is away: status 2 and a sentence. Nothing heard proves nothing, and says so."""
    async with gateway(gateway_settings(broker, database)) as running:
        for words, sentence in (
            (("--device", "nobody"), "no device 'nobody'"),
            (("--since", "last week"), "2026-11-23T10:00:00Z"),
            (("--since", "now", "--until", "-1h"), "is not before"),
        ):
            result = await typed(running, audit, *words)
            assert (result.exit_code, sentence in result.output) == (2, True), result.output
        empty = await typed(running, audit)
        assert (empty.exit_code, "nothing to prove" in empty.output) == (0, True), empty.output
    nowhere = await typed(f"http://127.0.0.1:{free_port()}", audit)
    assert (nowhere.exit_code, "no gateway answers" in nowhere.output) == (2, True)
