"""Jobs from the gateway's side: queued with the publication of a spec, asked for, shown, cancelled, cleared away."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from broker.contract.topics import Kind
from broker.mqtt.session import Session
from tests.rigs.gateway import (
    Gateway,
    Watcher,
    connection,
    entered,
    events,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    rows,
    send,
    watching,
)
from tests.rigs.redecoding import MAIN, Shot, ended, keep, push, pushes, worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import KEY, acme, post, published
from tests.rigs.waiting import until

JOBS = "SELECT job_id AS job, state, spec, automatic, meters FROM job_overview ORDER BY job_id"


@contextlib.asynccontextmanager
async def fleet(broker: Broker, database: Database, **settings: Any) -> AsyncIterator[tuple[Gateway, Watcher, Session]]:
    """A gateway with device d1, whose meter only the generic spec fits."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database, **settings)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
        await until(lambda: (d := seen.desired("d1")) and KEY in d.meters, "the meter is known")
        yield running, seen, device


async def queued(database: Database, count: int) -> list[dict[str, Any]]:
    """Wait for so many jobs."""
    found: list[dict[str, Any]] = []

    async def enough() -> bool:
        found[:] = await rows(database, JOBS)
        return len(found) == count

    await until(enough, f"{count} jobs")
    return found


async def test_publishing_a_spec_fills_the_history_of_its_meters(broker: Broker, database: Database) -> None:
    """The publication queues the job, a worker does it, and the API shows it from the queue to its end."""
    async with fleet(broker, database) as (running, _, _):
        await keep(database, pushes(100))
        done = await published(running, acme(), author="anna")
        assert done["job"] == 1
        waiting = await running.get("/jobs/1")
        assert (waiting["state"], waiting["spec"], waiting["meters"], waiting["progress"]) == (
            "queued", "acme-one@1", 1, None
        )  # fmt: skip
        assert (await running.get("/jobs", state="queued", spec="acme-one"))["items"] == [waiting]
        async with working(worker_settings(database)):
            await ended(database, 1)
        shown = await running.get("/jobs/1")
        assert (shown["state"], shown["frames"], shown["readings"], shown["progress"]) == ("done", 100, 200, 1)
        assert len(await rows(database, MAIN, KEY)) == 200
        again = await published(running, acme(), author="anna")
        assert (again["changed"], again["job"]) == (False, None)
        assert len(await rows(database, JOBS)) == 1
    (told,) = await events(database, "redecoding_queued")
    assert told["detail"] == {
        "job": 1, "spec": "acme-one@1", "meters": 1, "author": "system", "reason": "its meters got the spec"
    }  # fmt: skip
    assert [one["source"] for one in await events(database, "redecoding_done")] == ["ingestor"]


async def test_a_refused_publication_queues_nothing(broker: Broker, database: Database) -> None:
    """Job and publication are one transaction: where a spec is refused, or its meters have no frames, there is none."""
    async with fleet(broker, database) as (running, _, _):
        assert (await published(running, acme()))["job"] is None
        await keep(database, pushes(5))
        status, _ = await post(running, "/specs", acme(version=2, kw="9.9"), publish="true")
        assert status == 422
    assert await rows(database, JOBS) == await rows(database, "SELECT FROM pgqueuer") == []


async def test_a_pin_gives_kept_frames_a_spec(broker: Broker, database: Database) -> None:
    """A spec that an engineer pins by hand decodes the frames too; one that has seen them is not queued again."""
    async with fleet(broker, database) as (_, seen, _), entered(broker, "engineer") as engineer:
        await keep(database, pushes(10))

        async def pin(spec: str) -> None:
            now = seen.desired("d1")
            assert now is not None
            (stored,) = await rows(database, "SELECT version FROM desired")
            document = json.loads(now.payload()) | {"version": stored["version"] + 1, "author": "eve"}
            document.pop("hash", None)
            document["meters"][KEY] = {"spec": spec}
            await send(engineer, broker.topics, Kind.DESIRED, "d1", json.dumps(document).encode())

            async def adopted() -> bool:
                return await rows(database, "SELECT spec FROM meter_spec") == [{"spec": spec}]

            await until(adopted, f"{spec} is pinned")

        await pin("fluvius-digital-meter@1")
        await pin("generic-p1@1")
        await pin("fluvius-digital-meter@1")
        jobs = await rows(database, JOBS)
        assert [(one["spec"], one["automatic"]) for one in jobs] == [
            ("fluvius-digital-meter@1", True),
            ("generic-p1@1", True),
        ]


async def test_a_swapped_meter_is_filled_too(broker: Broker, database: Database) -> None:
    """A meter that was swapped before its product had a spec gets its history all the same, under its own key."""
    new = "KFM:E0026000999999999"
    async with fleet(broker, database) as (running, seen, device):
        await keep(database, pushes(30))
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(new)))
        await until(lambda: (d := seen.desired("d1")) and new in d.meters, "the new meter is known")
        await keep(database, [Shot(shot.at, push(500 + n)) for n, shot in enumerate(pushes(20))], new)
        done = await published(running, acme())
        assert (await running.get(f"/jobs/{done['job']}"))["meters"] == 2
        async with working(worker_settings(database)):
            found = await ended(database, done["job"])
    assert (found["frames"], found["readings"]) == (50, 100)
    old_values = [one["value"] for one in await rows(database, MAIN, KEY) if one["obis"] == "1-0:1.8.0"]
    new_values = [one["value"] for one in await rows(database, MAIN, new) if one["obis"] == "1-0:1.8.0"]
    assert old_values == [1000.567 + n for n in range(30)]
    assert new_values == [1500.567 + n for n in range(20)]


async def test_frames_that_come_late_are_decoded_too(broker: Broker, database: Database) -> None:
    """What waited in a device's outbox while its spec was published comes in after the job, and gets one of its own."""
    async with fleet(broker, database, job_sweep_s=0.5) as (running, _, _), working(worker_settings(database)):
        await keep(database, pushes(10))
        await ended(database, (await published(running, acme()))["job"])
        late = pushes(25)[10:]
        async with connection(database) as opened:
            await opened.execute(
                "INSERT INTO frame (received_at, at, meter_id, topic, kind, reason, protocol, hints, data, delivery) "
                "SELECT now(), f.at, 1, 't', 'frame', 'no_spec', 'p1', '{}', f.data, gen_random_uuid() "
                "FROM unnest($1::timestamptz[], $2::bytea[]) AS f (at, data)",
                [shot.at for shot in late],
                [shot.data for shot in late],
            )
        found = await queued(database, 2)
        assert (found[1]["spec"], found[1]["automatic"]) == ("acme-one@1", True)
        done = await ended(database, 2)
        assert (done["reason"], done["readings"]) == ("frames came in after the spec", 30)
        assert len(await rows(database, MAIN, KEY)) == 50
    assert len(await rows(database, JOBS)) == 2


async def test_a_job_that_the_queue_lost_is_queued_again_and_old_ones_go(broker: Broker, database: Database) -> None:
    """Every few seconds the gateway puts things right: jobs without an entry in the queue, and jobs of 90 days ago."""
    async with fleet(broker, database, job_sweep_s=0.5) as (running, _, _):
        await keep(database, pushes(10))
        number = (await published(running, acme()))["job"]
        async with connection(database) as opened:
            await opened.execute("DELETE FROM pgqueuer")
            await opened.execute("UPDATE job SET changed_at = now() - INTERVAL '31 seconds'")
        async with working(worker_settings(database)):
            await ended(database, number)
        async with connection(database) as opened:
            await opened.execute("UPDATE job SET finished_at = now() - INTERVAL '91 days'")
        await queued(database, 0)
        assert await rows(database, "SELECT FROM job_meter") == []


async def test_frames_are_decoded_again_on_demand(broker: Broker, database: Database) -> None:
    """By name, for one meter whichever spec it has, since a time; the same again joins the job that waits."""
    async with fleet(broker, database) as (running, _, _):
        await keep(database, pushes(10))
        status, one = await post(running, "/specs/generic-p1/1:redecode", author="eva", reason="a look")
        assert (status, one["job"], one["meters"], one["automatic"], one["author"]) == (
            200,
            1,
            1,
            False,
            "local (for eva)",
        )
        status, same = await post(running, "/specs/generic-p1/1:redecode", author="bob", meter=KEY)
        assert (status, same["job"]) == (200, 1)
        since = {"since": "2026-11-20T12:00:50+00:00"}
        status, other = await post(running, "/specs/fluvius-digital-meter/1:redecode", meter=KEY, **since)
        assert (status, other["job"], other["since"]) == (200, 2, "2026-11-20T12:00:50Z")
        async with working(worker_settings(database)):
            first, second = await ended(database, 1), await ended(database, 2)
        # side by side: whichever comes first finds a reading new
        assert (first["readings"] + first["repeated"], second["readings"] + second["repeated"]) == (20, 10)
        assert first["readings"] + second["readings"] == 20
        assert second["total_frames"] == 5


async def test_requests_that_make_no_sense_are_refused(broker: Broker, database: Database) -> None:
    """Each refusal names what is wrong and what to do."""
    async with fleet(broker, database) as (running, _, _):
        _, draft = await post(running, "/specs", acme())
        assert draft["state"] == "draft"
        cases = [
            ("/specs/nowhere/1:redecode", {}, 404, "there is no spec"),
            ("/specs/acme-one/1:redecode", {}, 422, "acme-one@1 is a draft; publish it first"),
            ("/specs/iskra-mt175/1:redecode", {}, 422, "no meter is read by iskra-mt175@1"),
            ("/specs/iskra-mt175/1:redecode", {"meter": KEY}, 422, f"{KEY} speaks p1, iskra-mt175@1 is for sml"),
            ("/specs/generic-p1/1:redecode", {"meter": "XYZ:1"}, 404, "there is no meter"),
            ("/specs/generic-p1/1:redecode", {"since": "yesterday"}, 422, "since"),
            ("/jobs/77:cancel", {}, 404, "there is no job"),
        ]
        for path, query, wanted, words in cases:
            status, document = await post(running, path, **query)
            assert (status, words in document["detail"]) == (wanted, True), (path, document)
        async with running.http.get(f"{running.url}/api/v1/jobs/0x7") as response:
            assert response.status == 404
        async with running.http.get(f"{running.url}/api/v1/jobs?cursor=WyJhIl0") as response:
            assert response.status == 422
    assert await rows(database, JOBS) == []


async def test_a_queue_that_is_full_says_so(broker: Broker, database: Database) -> None:
    """Beyond the bound a request gets 429; a publication succeeds all the same, and an event tells what is left out."""
    async with fleet(broker, database) as (running, _, _):
        await keep(database, pushes(3))
        async with connection(database) as opened:
            await opened.execute(
                "INSERT INTO job (spec, automatic, author) SELECT 'x@' || n, false, 'test' "
                "FROM generate_series(1, 1000) n"
            )
        status, document = await post(running, "/specs/generic-p1/1:redecode")
        assert (status, "1000 jobs wait or run already" in document["detail"]) == (429, True)
        assert (await published(running, acme()))["state"] == "published"
        (told,) = await events(database, "redecoding_not_queued")
        assert told["detail"] == {"spec": "acme-one@1", "meters": 1, "most": 1000}
        page = await running.get("/jobs", limit=600)
        rest = await running.get("/jobs", limit=600, cursor=page["next"])
        numbers = [one["job"] for one in (*page["items"], *rest["items"])]
        assert (len(numbers), rest["next"], numbers) == (1000, None, sorted(numbers, reverse=True))


async def test_a_job_is_cancelled_once(broker: Broker, database: Database) -> None:
    """A waiting job that is cancelled is never begun; doing it again changes nothing; one that is over stays so."""
    async with fleet(broker, database) as (running, _, _):
        await keep(database, pushes(10))
        number = (await published(running, acme()))["job"]
        status, job = await post(running, f"/jobs/{number}:cancel", author="eva", reason="wrong spec")
        assert (status, job["state"], job["error"]) == (200, "cancelled", "cancelled by local (for eva): wrong spec")
        assert (await post(running, f"/jobs/{number}:cancel"))[1] == job
        async with working(worker_settings(database)):
            _, other = await post(running, "/specs/acme-one/1:redecode")
            await ended(database, other["job"])
            assert (await running.get(f"/jobs/{number}")) == job
            status, document = await post(running, f"/jobs/{other['job']}:cancel")
            assert (status, document["detail"]) == (409, f"job {other['job']} is done: there is nothing to cancel")
            empty = await until(lambda: _queue_is_empty(database), "the queue is empty")
            assert empty
    (told,) = await events(database, "redecoding_cancelled")
    assert told["detail"] == {"job": number, "author": "local (for eva)", "reason": "wrong spec"}


async def _queue_is_empty(database: Database) -> bool:
    return not await rows(database, "SELECT FROM pgqueuer")
