"""A canary that is worse than what it replaces is withdrawn by the system itself; one that is not, stays."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

from broker.contract.topics import Kind
from tests.rigs.gateway import events, gateway, report, rows, send
from tests.rigs.rollouts import Fleet, Pi, fleet, settings
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import stays, until

FAILED = "SELECT FROM frame WHERE reason = 'undecodable'"


async def begun(made: Fleet, audience: str = "d1", **query: str) -> Pi:
    """A canary whose first device has applied it."""
    await made.canary(audience, **query)
    pi = made.pis["d1"]
    await pi.given("acme-one@2")
    return pi


async def withdrawn(made: Fleet, why: str) -> dict[str, object]:
    """Wait until the system has withdrawn it and d1 has the old version back; the event's detail."""
    await made.becomes("withdrawn")
    await until(lambda: made.pis["d1"].spec() == "acme-one@1", "the old version is back")
    (event,) = await events(made.database, "spec_withdrawn")
    assert (event["severity"], event["source"], event["detail"]["author"]) == ("error", "gateway", "system")
    assert why in event["detail"]["reason"]
    assert await made.running.metric("wattline_gateway_specs_withdrawn_total", by="system") == 1
    return dict(event["detail"]["figures"])


async def test_registers_that_jump_withdraw_it(broker: Broker, database: Database) -> None:
    """A scaler that is ten times too large: the meter is named, the others were never touched."""
    async with fleet(broker, database, "d1", "d2") as made:
        untouched = made.seen.times("d2")
        pi = await begun(made)
        await pi.read("acme-one@2", 3, factor=10)
        figures = await withdrawn(made, "implausible")
        (named,) = figures["implausible"]  # type: ignore[misc]
        assert named.startswith("KFM:d1: 1-0:1.8.0 jumped from 1234")
        assert made.seen.times("d2") == untouched
        assert made.pis["d2"].spec() == "acme-one@1"
        (shown,) = await rows(database, "SELECT state, verdict, implausible_percent, author FROM rollout_overview")
        assert shown == {"state": "withdrawn", "verdict": "worse", "implausible_percent": 100.0, "author": "system"}
        step = (await made.rollout())["steps"][0]
        assert (step["state"], step["author"], step["figures"]["verdict"]) == ("withdrawn", "system", "worse")


async def test_telegrams_that_it_can_not_decode_withdraw_it(broker: Broker, database: Database) -> None:
    """Raw frames say so by themselves, though they are few; those of a meter elsewhere are what is usual."""
    async with fleet(broker, database, "d1", "d2") as made:
        pi = await begun(made)
        await made.pis["d2"].read("acme-one@1", 20)
        await made.stored("acme-one@1", 40)
        await made.pis["d2"].fail("acme-one@1")
        await until(lambda: rows(database, FAILED), "the usual one is stored")
        await pi.read("acme-one@2", 4)
        await made.stored("acme-one@2", 4)
        await pi.fail("acme-one@2", 2)
        figures = await withdrawn(made, "can't be decoded")
        # it may look after the first, the fifth telegram of as many as it wants, or after both
        assert figures["now"]["undecodable_percent"] in (20, 33.33)  # type: ignore[index]
        assert 0 < figures["rest"]["undecodable_percent"] < 10  # type: ignore[index]


async def test_counts_of_the_device_withdraw_it(broker: Broker, database: Database) -> None:
    """A device counts every telegram where it sends few frames, so shares are exact; odd counts are passed over."""
    async with fleet(broker, database, "d1") as made:
        pi = await begun(made)
        await pi.read("acme-one@2", 6)
        await made.stored("acme-one@2", 6)
        await pi.tell("decode_counts", spec="acme-one@2", telegrams="many", undecodable=-1, refused=1e300)
        await pi.tell("decode_counts", spec="acme-one@2", telegrams=[7], undecodable=0, refused=0)
        await pi.tell("decode_counts", spec="acme-one@2", telegrams=100, undecodable=0, refused=5)
        one = await until(partial(_counted, made), "the counts are judged")
        assert (one["figures"]["verdict"], one["figures"]["now"]["refused_percent"]) == ("good", 5)
        await pi.tell("decode_counts", spec="acme-one@2", telegrams=100, undecodable=0, refused=95)
        figures = await withdrawn(made, "refuses")
        assert figures["now"]["refused_percent"] == 50  # type: ignore[index]


async def _counted(made: Fleet) -> dict[str, object] | None:
    one = await made.rollout()
    return one if one["figures"].get("now", {}).get("refused_percent") is not None else None


async def test_silence_withdraws_it(broker: Broker, database: Database) -> None:
    """A meter that gave readings and gives none, though its device is there and has applied the version."""
    async with fleet(broker, database, "d1", "d2") as made:
        await made.pis["d1"].read("acme-one@1", 60)
        await made.stored("acme-one@1", 80)
        await begun(made)
        for _ in range(3):
            await made.pis["d2"].read("acme-one@1")
        figures = await withdrawn(made, "give none")
        assert figures["silent"] == ["KFM:d1"]


async def test_a_device_that_undoes_it_withdraws_it(broker: Broker, database: Database) -> None:
    """It reads on by the old version, so nothing is missing: its report says that the new one left nothing."""
    async with fleet(broker, database, "d1", "d2") as made:
        pi = made.pis["d1"]
        await pi.read("acme-one@1", 60)
        await made.stored("acme-one@1", 80)
        await made.canary("d1")
        await until(lambda: pi.spec() == "acme-one@2", "it is given")
        desired = made.seen.desired("d1")
        assert desired is not None
        back = report(desired.version, "reverted", in_force=desired.version - 1, held_back=(f"meters.{pi.key}.spec",))
        await send(pi.session, broker.topics, Kind.REPORTED, "d1", back)
        for _ in range(3):
            await pi.read("acme-one@1")
            await made.pis["d2"].read("acme-one@1")
        figures = await withdrawn(made, "give none")
        assert figures["silent"] == ["KFM:d1"]


async def test_values_that_are_newly_refused_and_impossible_times(broker: Broker, database: Database) -> None:
    """Devices that count nothing tell of refused values once; an impossible time is found in quarantine."""
    async with fleet(broker, database, "d1", "d2", "d3") as made:
        await made.pis["d2"].tell("value_refused", spec="acme-one@1", address="1-0:99.7.0", reason="range")
        pi = await begun(made, "d1,d2,d3", implausible_percent="60")
        for one in made.pis.values():
            await one.given("acme-one@2")
            await one.read("acme-one@2", 3)
        # of fewer meters that report, one would be more than are put up with
        await made.stored("acme-one@2", 9)
        await made.pis["d2"].tell("value_refused", spec="acme-one@2", address="1-0:99.7.0", reason="range")
        await pi.tell("value_refused", spec="acme-one@2", address="1-0:1.7.0", reason="range")
        one = await until(lambda: _implausible(made, 1), "one meter of three is odd")
        assert (one["state"], one["figures"]["implausible"]) == ("canary", ["KFM:d1: 1-0:1.7.0 is refused"])
        await made.pis["d3"].read("acme-one@2", at=datetime(2127, 1, 1, tzinfo=UTC))
        await withdrawn(made, "implausible")


async def test_values_that_can_not_be_speak_against_it(broker: Broker, database: Database) -> None:
    """A wrong scale whose values no meter can have: they are in quarantine, and the canary is judged by them."""
    async with fleet(broker, database, "d1") as made:
        pi = await begun(made)
        await pi.read("acme-one@2", 3)
        await pi.read("acme-one@2", factor=1e12)
        figures = await withdrawn(made, "implausible")
        assert figures["implausible"] == ["KFM:d1: an impossible value"]


async def _implausible(made: Fleet, count: int) -> dict[str, object] | None:
    one = await made.rollout()
    return one if len(one["figures"].get("implausible", ())) == count else None


async def test_a_good_canary_stays(broker: Broker, database: Database) -> None:
    """It is judged again and again; an offline device's silence and the old version's last words say nothing of it."""
    async with fleet(broker, database, "d1", "d2") as made:
        await made.canary("d1,d2")
        pi = made.pis["d1"]
        await pi.given("acme-one@2")
        await pi.fail("acme-one@1", 3)
        await pi.read("acme-one@2", 8)
        judged = {(await made.becomes("good", "verdict"))["judged_at"]}

        async def again() -> dict[str, Any] | None:
            await pi.read("acme-one@2")
            one = await made.rollout()
            judged.add(one["judged_at"])
            return one if len(judged) > 5 or one["state"] != "canary" else None

        one = await until(again, "it is judged again and again")
        assert (one["state"], one["figures"]["verdict"], one["figures"]["now"]["silent_percent"]) == (
            "canary",
            "good",
            0,
        )
        assert one["limits"]["window_s"] == 60
    assert not await events(database, "spec_withdrawn")


async def test_a_scale_that_is_mended_may_jump(broker: Broker, database: Database) -> None:
    """Whoever publishes it says so with its own limits, which stay with it."""
    async with fleet(broker, database, "d1") as made:
        pi = await begun(made, max_kw="0")
        await pi.read("acme-one@2", 8, factor=10)
        one = await made.becomes("good", "verdict")
        assert (one["state"], one["limits"]["max_kw"]) == ("canary", 0)


async def test_a_restart_in_the_middle_changes_nothing(broker: Broker, database: Database) -> None:
    """All that the judge knows stands in the store: another gateway withdraws what the first one gave."""
    async with fleet(broker, database, "d1", judge_s=3600) as made:
        pi = await begun(made)
        await pi.read("acme-one@2", 3, factor=0.1)
        await made.stored("acme-one@2", 3)
        made.running.stop.set()
        await asyncio.wait([made.running.task])
        async with gateway(settings(broker, database)) as made.running:
            await withdrawn(made, "implausible")


async def test_two_gateways_withdraw_it_once(broker: Broker, database: Database) -> None:
    """Both judge; there is one withdrawal, one event, one new version of the configuration."""
    async with (
        fleet(broker, database, "d1", judge_s=0.1) as made,
        gateway(settings(broker, database, judge_s=0.1)) as other,
    ):
        pi = await begun(made)
        before = made.seen.desired("d1")
        await pi.read("acme-one@2", 3, factor=10)
        await made.becomes("withdrawn")
        await until(lambda: pi.spec() == "acme-one@1", "the old version is back")
        after = made.seen.desired("d1")
        assert before is not None
        assert after is not None
        assert after.version == before.version + 1
        metric = "wattline_gateway_specs_withdrawn_total"

        async def once() -> bool:
            return sum([await one.metric(metric, by="system") for one in (made.running, other)]) == 1

        await stays(once, 0.5, "the other one has judged too, and found it done")
    assert len(await events(database, "spec_withdrawn")) == 1
