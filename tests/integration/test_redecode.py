"""Kept frames decoded again into history by a real worker: what comes out, at which times, and what never changes."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from broker.contract.messages import Clock
from broker.errors import PermanentError
from device.simulator import SimulatedP1Meter
from ingestor.worker.service import run
from meters.wires.encode.p1 import encode_p1
from tests.rigs.gateway import DEADLINE_S, connection, events, rows
from tests.rigs.redecoding import (
    MAIN,
    START,
    Shot,
    add_job,
    add_meter,
    add_spec,
    ended,
    keep,
    metrics,
    push,
    pushes,
    spec_named,
    worker_settings,
    working,
)
from tests.rigs.servers import Database
from tests.rigs.specs import KEY
from tests.rigs.waiting import stays, until


async def test_kept_frames_become_history_at_their_true_times(database: Database) -> None:
    """Each frame gives the readings of its own time, marked as decoded again; a second job changes nothing."""
    await add_meter(database)
    await keep(database, pushes(120))
    spec = await add_spec(database)
    async with working(worker_settings(database)) as url:
        first = await ended(database, await add_job(database, spec.ref))
        assert (first["frames"], first["total_frames"], first["readings"]) == (120, 120, 240)
        assert (first["undecodable"], first["repeated"], first["refused"], first["progress"]) == (0, 0, 0, 1)
        history = await rows(database, MAIN, KEY)
        assert len(history) == 240
        assert history[0] == {
            "time": START, "value": 0.482, "obis": "1-0:1.7.0", "source": "redecoded", "clock": "synced"
        }  # fmt: skip
        assert [one["value"] for one in history if one["obis"] == "1-0:1.8.0"] == [1000.567 + n for n in range(120)]
        again = await ended(database, await add_job(database, spec.ref))
        assert (again["frames"], again["readings"], again["repeated"]) == (120, 0, 240)
        assert await rows(database, MAIN, KEY) == history
        counted = await metrics(url)
    assert counted['wattline_worker_frames_total{result="decoded"}'] == 240
    assert counted["wattline_worker_readings_total"] == counted["wattline_worker_readings_repeated_total"] == 240
    assert counted['wattline_worker_jobs_ended_total{kind="redecode",state="done"}'] == 2
    done = await events(database, "redecoding_done")
    assert [one["detail"]["readings"] for one in done] == [240, 0]
    assert await rows(database, "SELECT frames, undecodable, first_at, last_at FROM job_meter WHERE job_id = 1") == [
        {"frames": 120, "undecodable": 0, "first_at": START, "last_at": START + timedelta(seconds=1190)}
    ]


async def test_frames_that_are_being_entered_as_the_job_begins_are_not_missed(database: Database) -> None:
    """A frame has its number before others see it; the job waits for those with numbers below its end."""
    await add_meter(database)
    await keep(database, pushes(10))
    spec = await add_spec(database)
    sql = (
        "INSERT INTO frame (received_at, device_id, meter_id, topic, kind, reason, protocol, at, data, delivery) "
        "SELECT $1, device_id, id, 't', 'frame', 'no_spec', 'p1', $1, $2, gen_random_uuid() FROM meter WHERE key = $3"
    )
    async with connection(database) as opened, working(worker_settings(database)):
        writing = opened.transaction()
        await writing.start()
        await opened.execute(sql, START + timedelta(seconds=5), push(99), KEY)
        await keep(database, pushes(12)[10:])
        number = await add_job(database, spec.ref)
        taken = "SELECT 1 FROM job WHERE id = $1 AND state <> 'queued'"
        await until(lambda: rows(database, taken, number), "the job is taken")
        unfinished = "SELECT 1 FROM job WHERE id = $1 AND finished_at IS NULL"
        await stays(lambda: rows(database, unfinished, number), 1, "the job waits for the writer")
        await writing.commit()
        assert (await ended(database, number))["frames"] == 13


async def test_the_clock_of_then_is_the_readings_clock(database: Database) -> None:
    """Frames that a device took without NTP say so still, and so do those of which nobody knows."""
    await add_meter(database)
    shots = [
        Shot(START + timedelta(seconds=10 * n), push(n), clock)
        for n, clock in enumerate((Clock.SYNCED, Clock.UNSYNCED, None))
    ]
    await keep(database, shots)
    spec = await add_spec(database)
    async with working(worker_settings(database)):
        await ended(database, await add_job(database, spec.ref))
    clocks = [one["clock"] for one in await rows(database, MAIN, KEY) if one["obis"] == "1-0:1.8.0"]
    assert clocks == ["synced", "unsynced", "unsynced"]


async def test_sub_meters_and_meter_clocks_are_read_as_a_device_does(database: Database) -> None:
    """A P1 telegram's own stamp counts, and the gas meter behind it is a meter of its own at its own times."""
    now_s = [START.timestamp()]
    meter = SimulatedP1Meter(serial="E0026000123456789", wall=lambda: now_s[0], started_at=START.timestamp())
    shots = []
    for number in range(130):
        now_s[0] = START.timestamp() + 10 * number
        # the device's clock is 3 s fast, and nobody kept it
        shots.append(Shot(START + timedelta(seconds=10 * number + 3), meter.telegram(), Clock.UNSYNCED))
    await add_meter(database, "ISK:E0026000123456789")
    await keep(database, shots, "ISK:E0026000123456789")
    spec = await add_spec(database, spec_named("iskra-2m550"))
    async with working(worker_settings(database)):
        done = await ended(database, await add_job(database, spec.ref, ["ISK:E0026000123456789"]))
    assert (done["frames"], done["undecodable"], done["refused"]) == (130, 0, 0)
    main = await rows(database, MAIN, "ISK:E0026000123456789")
    assert {one["clock"] for one in main} == {"meter"}
    assert [one["time"] for one in main if one["obis"] == "1-0:1.7.0"] == [
        START + timedelta(seconds=10 * number) for number in range(130)
    ]
    gas = await rows(database, MAIN, "MBUS:G0044007133156018")
    # a value each five minutes, repeated in every telegram until the next
    assert [one["time"].minute % 5 for one in gas] == [0] * len(gas)
    assert 4 <= len(gas) <= 6
    assert len(main) + len(gas) == done["readings"]
    assert done["repeated"] == 130 - len(gas)
    (unit,) = await rows(database, "SELECT unit FROM series WHERE obis = '0-1:24.2.1'")
    assert unit["unit"] == "m³"


async def test_kept_frames_are_read_in_the_zone_of_their_device(database: Database) -> None:
    """A meter's stamp by the zone that its device was given is the meter's time; by the spec's it is an hour off."""
    await add_meter(database)
    stamped = [f"0-0:1.0.0({START:%y%m%d}{START.hour + 2:02}0003W)", "1-0:1.8.0(000007.000*kWh)"]
    await keep(database, [Shot(START, encode_p1("KFM5KAIFA-METER", stamped))])
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO desired (device_id, version, hash, document, author) VALUES (1, 1, '', $1, 'test')",
            json.dumps({"parameters": {"time_zone": "Europe/Vilnius"}}),
        )
    spec = await add_spec(database)
    async with working(worker_settings(database)):
        await ended(database, await add_job(database, spec.ref))
    (found,) = await rows(database, MAIN, KEY)
    assert (found["clock"], found["time"]) == ("meter", START.replace(second=3))


async def test_what_was_read_live_stays_as_it_is(database: Database) -> None:
    """A reading that history has is never overwritten, by whichever spec; what it lacks is added beside it."""
    await add_meter(database)
    await keep(database, pushes(60))
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO series (meter_id, obis, unit, kind) VALUES (1, '1-0:1.8.0', 'kWh', 'register')"
        )
        await opened.execute("INSERT INTO reading VALUES ($1, 4711, 1, 0)", START + timedelta(seconds=550))
    spec = await add_spec(database)
    async with working(worker_settings(database)):
        done = await ended(database, await add_job(database, spec.ref))
    assert (done["readings"], done["repeated"]) == (119, 1)
    kept = [one for one in await rows(database, MAIN, KEY) if one["source"] == "live"]
    assert [(one["time"], one["value"]) for one in kept] == [(START + timedelta(seconds=550), 4711.0)]


async def test_impossible_times_go_to_quarantine_once(database: Database) -> None:
    """A device that took frames in 1970 or far ahead gives no history: its values are kept aside, with their frame."""
    await add_meter(database)
    shots = pushes(3)
    await keep(database, shots)
    async with connection(database) as opened:
        await opened.execute("UPDATE frame SET at = '1970-01-01 00:00:10Z' WHERE at = $1", shots[0].at)
        await opened.execute("UPDATE frame SET at = at + INTERVAL '3 days' WHERE at = $1", shots[1].at)
    spec = await add_spec(database)
    async with working(worker_settings(database)) as url:
        first = await ended(database, await add_job(database, spec.ref))
        again = await ended(database, await add_job(database, spec.ref))
        assert (await metrics(url))['wattline_worker_readings_refused_total{reason="implausible_time"}'] == 8
    assert (first["readings"], first["refused"], again["readings"], again["refused"]) == (2, 4, 0, 4)
    aside = await rows(database, "SELECT f.reason, f.meter_id, f.data FROM frame f WHERE kind = 'payload' ORDER BY id")
    assert [(one["reason"], one["meter_id"]) for one in aside] == [("implausible_time", 1)] * 2
    assert json.loads(aside[0]["data"])["at"] == "1970-01-01T00:00:10Z"
    assert json.loads(aside[0]["data"])["values"]["1-0:1.8.0"] == 1000.567


async def test_frames_that_nobody_can_read_are_counted_and_kept(database: Database) -> None:
    """A wrong check, another meter's telegram and noise give nothing; the job says of the first what was wrong."""
    await add_meter(database)
    torn = push(1).replace(b"1001.567", b"1009.567")
    strange = encode_p1("KFM5KAIFA-METER", ["0-0:96.1.1(4B464D)", "1-0:1.8.0(000007.000*kWh)"])
    at = [START + timedelta(seconds=10 * n) for n in range(5)]
    await keep(
        database,
        [
            Shot(at[0], torn, reason="bad_frame"),
            Shot(at[1], push(1), reason="bad_frame"),
            Shot(at[2], b"\x00\xffnoise", reason="bad_frame"),
            Shot(at[3], strange, reason="bad_frame"),
            Shot(at[4], push(2), reason="undecodable"),
        ],
    )
    spec = await add_spec(database)
    async with working(worker_settings(database)):
        done = await ended(database, await add_job(database, spec.ref))
    assert (done["frames"], done["undecodable"], done["readings"]) == (5, 3, 4)
    assert done["note"].startswith("frame 1: crc_mismatch: ")
    assert [one["time"] for one in await rows(database, MAIN, KEY)] == [at[1], at[1], at[4], at[4]]
    assert (await rows(database, "SELECT count(*) AS n FROM frame"))[0]["n"] == 5


async def test_only_frames_since_then_and_only_wanted_codes(database: Database) -> None:
    """`since` leaves older frames out; codes that the device is told not to publish don't appear by this way either."""
    await add_meter(database)
    await keep(database, pushes(30))
    async with connection(database) as opened:
        document = {"parameters": {"obis_include": ["1-0:*"], "obis_exclude": ["*.7.0"]}}
        await opened.execute(
            "INSERT INTO desired (device_id, version, hash, document, author) VALUES (1, 1, '', $1, 'test')",
            json.dumps(document),
        )
    spec = await add_spec(database)
    since = START + timedelta(seconds=200)
    async with working(worker_settings(database)):
        done = await ended(database, await add_job(database, spec.ref, since=since))
    assert (done["total_frames"], done["frames"], done["readings"]) == (10, 10, 10)
    found = await rows(database, MAIN, KEY)
    assert (found[0]["time"], {one["obis"] for one in found}) == (since, {"1-0:1.8.0"})


async def test_a_job_that_can_not_be_done_says_why(database: Database) -> None:
    """A spec that is not there, or that this version can't read, ends the job as failed, with an event of error."""
    await add_meter(database)
    await keep(database, pushes(3))
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO spec (name, version, document, source, sha256) VALUES ('later', 1, $1, '', '')",
            json.dumps({"name": "later", "version": 1, "format": 9}),
        )
    async with working(worker_settings(database)):
        missing = await ended(database, await add_job(database, "nowhere@3"), "failed")
        unreadable = await ended(database, await add_job(database, "later@1"), "failed")
    assert missing["error"] == "nowhere@3 is not published"
    assert unreadable["error"].startswith("later@1 can't be read by this version of Wattline: ")
    assert [(one["severity"], one["detail"]["spec"]) for one in await events(database, "redecoding_failed")] == [
        ("error", "nowhere@3"),
        ("error", "later@1"),
    ]


async def test_meters_that_have_another_spec_by_now_are_left_out(database: Database) -> None:
    """A job that was queued because meters got a spec passes over those that it was taken from meanwhile."""
    for key, now in ((KEY, "acme-one@1"), ("KFM:2", "generic-p1@1")):
        await add_meter(database, key)
        await keep(database, pushes(10), key)
        async with connection(database) as opened:
            await opened.execute("UPDATE meter SET spec = $2 WHERE key = $1", key, now)
    spec = await add_spec(database)
    async with working(worker_settings(database)):
        done = await ended(database, await add_job(database, spec.ref, [KEY, "KFM:2"], automatic=True))
    assert (done["meters"], done["frames"]) == (1, 10)
    assert await rows(database, MAIN, "KFM:2") == []


async def test_names_beyond_the_limits_are_refused_and_told(database: Database) -> None:
    """A device can't fill the dictionary by this way either: codes beyond the limit of a meter go to quarantine."""
    await add_meter(database)
    await keep(database, pushes(20))
    spec = await add_spec(database)
    async with working(worker_settings(database, series_per_meter=1)):
        done = await ended(database, await add_job(database, spec.ref))
    assert (done["readings"], done["refused"]) == (20, 20)
    aside = await rows(database, "SELECT reason, detail FROM frame WHERE kind = 'payload'")
    assert [one["reason"] for one in aside] == ["series_limit"]
    assert "of KFM:E0026000123456789, decoded by acme-one@1" in aside[0]["detail"]


async def test_a_worker_without_its_rights_ends_with_a_word_and_loses_no_job(database: Database) -> None:
    """What no repetition heals ends the process; the job stays in the queue, and is done once the rights are there."""
    await add_meter(database)
    await keep(database, pushes(10))
    spec = await add_spec(database)
    number = await add_job(database, spec.ref)
    async with connection(database) as opened:
        await opened.execute("REVOKE UPDATE ON job FROM wattline_ingestor")
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.timeout(DEADLINE_S):
                await run(worker_settings(database), asyncio.Event())
        assert caught.group_contains(PermanentError, match="permission denied for table job; run `wattline migrate`")
        await opened.execute("GRANT UPDATE ON job TO wattline_ingestor")
    async with working(worker_settings(database)):
        assert (await ended(database, number))["readings"] == 20


async def test_the_spec_that_decoded_a_reading_can_be_proved(database: Database) -> None:
    """The query of docs/STORE.md names the job's spec for readings decoded again, the ledger's for live ones."""
    text = (Path(__file__).parents[2] / "docs" / "STORE.md").read_text()
    query = text[text.index("-- which spec version decoded a reading?") :].partition(";")[0]
    query = query.replace("LGZ:12345678", KEY).replace("now() - interval '1 day'", "'2026-11-01'")
    await add_meter(database)
    await keep(database, pushes(3))
    spec = await add_spec(database)
    live_at = START + timedelta(hours=1)
    async with working(worker_settings(database)):
        await ended(database, await add_job(database, spec.ref))
    async with connection(database) as opened:
        await opened.execute("INSERT INTO reading SELECT $1, 7, id, 0 FROM series WHERE obis = '1-0:1.8.0'", live_at)
        await opened.execute(
            "INSERT INTO message (received_at, newest_at, seq, device_id, meter_id, rows, kind, boot, spec) "
            "VALUES ($1, $1, 1, 1, 1, 1, 1, 'b3f1', 'acme-one@2')",
            live_at,
        )
    found = [(one["source"], one["spec"]) for one in await rows(database, query)]
    assert found == [("redecoded", "acme-one@1")] * 3 + [("live", "acme-one@2")]
