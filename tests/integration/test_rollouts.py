"""A spec version for a part of the fleet first: who gets it, who loses it, and how it becomes everybody's."""

import json
from typing import Any

import pytest

from broker.contract.topics import Kind
from tests.rigs.gateway import Gateway, entered, events, gateway, rows, send
from tests.rigs.rollouts import Fleet, fleet, settings
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import acme, post, published
from tests.rigs.waiting import until


async def moved(running: Gateway, action: str, version: int = 2, **query: str) -> dict[str, Any]:
    """Change the state of acme-one, which must succeed."""
    status, document = await post(running, f"/specs/acme-one/{version}:{action}", **query)
    assert status == 200, document
    return document


async def labelled(running: Gateway, device: str, labels: dict[str, Any], method: str = "PATCH", **more: Any) -> Any:
    """Label a device; the status, answer and ETag."""
    url = f"{running.url}/api/v1/devices/{device}/labels"
    async with running.http.request(method, url, json=labels, **more) as response:
        return response.status, await response.json(content_type=None), response.headers.get("ETag")


def specs(made: Fleet) -> dict[str, str | None]:
    """What each device has, by the number of the version."""
    return {name: (pi.spec() or "@none").partition("@")[2] for name, pi in made.pis.items()}


async def has(made: Fleet, **wanted: str) -> None:
    """Wait until the devices have these versions."""
    await until(lambda: specs(made) == wanted, f"the devices have {wanted}")


async def adopted(database: Database, times: int) -> None:
    """Wait until so many messages by hand are adopted."""

    async def enough() -> bool:
        return len(await events(database, "desired_adopted")) == times

    await until(enough, f"{times} messages by hand are adopted")


async def test_a_canary_reads_its_audience_then_more_then_all(broker: Broker, database: Database) -> None:
    """Only the devices named get it; the audience can grow; released it is everybody's. Each step once, with who."""
    async with fleet(broker, database, "d1", "d2", "d3") as made:
        before = made.seen.desired("d3")
        done = await made.canary("d1", reason="trial")
        assert (done["state"], done["audience"], done["devices"]) == ("canary", "d1", ["d1"])
        await has(made, d1="2", d2="1", d3="1")
        assert "acme-one@2" in made.seen.specs()
        again = await made.canary("d1")
        assert (again["changed"], again["state"]) == (False, "canary")
        status, problem = await post(made.running, "/specs", acme(version=2), publish="true", canary="d2")
        assert (status, problem["field"]) == (409, "canary")
        assert (await moved(made.running, "rollout", to="d1,d2", author="eva"))["devices"] == ["d2"]
        assert (await moved(made.running, "rollout", to="d2,d1"))["changed"] is False
        await has(made, d1="2", d2="2", d3="1")
        assert made.seen.desired("d3") == before
        one = await made.rollout()
        assert (one["state"], one["meters"], one["devices"], one["device_names"]) == ("canary", 2, 2, ["d1", "d2"])
        assert [(step["audience"], step["author"]) for step in one["steps"]] == [
            ("d1,d2", "local (for eva)"),
            ("d1", "local (for anna)"),
        ]
        assert (await moved(made.running, "release"))["state"] == "published"
        assert (await moved(made.running, "release"))["changed"] is False
        await has(made, d1="2", d2="2", d3="2")
        status, problem = await post(made.running, "/specs/acme-one/2:rollout", to="d1")
        assert (status, "for all" in problem["detail"]) == (409, True)
    assert [one["detail"]["audience"] for one in await events(database, "spec_canary")] == ["d1", "d1,d2"]
    assert len(await events(database, "spec_released")) == 1
    assert len(await events(database, "spec_published")) == 2


async def test_labels_and_facts_choose_the_audience(broker: Broker, database: Database) -> None:
    """A device that gets the label gets the version, one that loses it falls back, a new one that fits gets it too."""
    async with fleet(broker, database, "d1", "d2") as made:
        status, answer, etag = await labelled(made.running, "d1", {"site": "warsaw", "model": "pi4"})
        assert (status, answer["labels"]) == (200, {"model": "pi4", "site": "warsaw"})
        assert answer["facts"]["hardware"] == "Raspberry Pi 4"
        done = await made.canary("site=warsaw,hardware=raspberry*")
        assert done["devices"] == ["d1"]
        await has(made, d1="2", d2="1")
        assert (await labelled(made.running, "d2", {"site": "warsaw"}))[0] == 200
        await has(made, d1="2", d2="2")
        stale = await labelled(made.running, "d1", {"site": None}, headers={"If-Match": '"0"'})
        assert stale[0] == 412
        assert (await labelled(made.running, "d1", {"site": None}, headers={"If-Match": etag}))[2] == '"2"'
        await has(made, d1="1", d2="2")
        await moved(made.running, "rollout", to="hardware=Raspberry Pi 4")
        await made.add("d3")
        await has(made, d1="2", d2="2", d3="2")
        found = (await made.running.get("/devices", selector="site=warsaw"))["items"]
        assert [(one["device"], one["labels"]) for one in found] == [("d2", {"site": "warsaw"})]
        replaced = await labelled(made.running, "d2", {"rack": "7"}, "PUT")
        assert replaced[1]["labels"] == {"rack": "7"}
        view = await rows(database, "SELECT label, value FROM device_label WHERE device = 'd2' AND NOT fact")
        assert view == [{"label": "rack", "value": "7"}]
    assert next(one["detail"]["labels"] for one in await events(database, "device_labelled"))["site"] == "warsaw"


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"device": "x"}, "labels.device"),
        ({"a b": "x"}, "labels.a b"),
        ({"site": ""}, "labels.site"),
        ({"site": 7}, "site"),
    ],
)
async def test_labels_that_can_not_be_are_refused_by_name(
    broker: Broker, database: Database, labels: dict[str, Any], field: str
) -> None:
    """Nothing is stored of a change that is partly wrong."""
    async with fleet(broker, database, "d1") as made:
        status, problem, _ = await labelled(made.running, "d1", {"good": "yes", **labels})
        assert (status, problem["field"].startswith(field)) == (422, True)
        assert (await labelled(made.running, "nobody", {"site": "x"}))[0] == 404
        assert (await made.running.get("/devices/d1/labels"))["labels"] == {}
        status, problem = await post(made.running, "/specs", acme(version=2), publish="true", canary="d1,nobody")
        assert (status, problem["field"], "nobody" in problem["detail"]) == (422, "canary", True)
        status, problem = await post(made.running, "/specs", acme(version=2), publish="true", canary="site=a,=b")
        assert (status, problem["field"]) == (422, "canary.1")
    assert not await rows(database, "SELECT FROM spec WHERE name = 'acme-one' AND version = 2")


async def test_a_withdrawn_version_reads_nobody_until_a_person_says_so(broker: Broker, database: Database) -> None:
    """Devices have the old version back at once, also a deprecated one and over a pin; no restart gives it again."""
    async with fleet(broker, database, "d1", "d2") as made:
        await made.canary("100%")
        await has(made, d1="2", d2="2")
        await post(made.running, "/specs/acme-one/1:deprecate")
        desired = made.seen.desired("d2")
        assert desired is not None
        by_hand = {"version": desired.version + 1, "meters": {"KFM:d2": {"spec": "generic-p1@1"}}}
        async with entered(broker, "engineer") as engineer:
            await send(engineer, broker.topics, Kind.DESIRED, "d2", json.dumps(by_hand).encode())
            await adopted(database, 1)
            assert made.pis["d2"].spec() == "generic-p1@1", "the pin holds over the canary"
            desired = made.seen.desired("d2")
            assert desired is not None
            by_hand = {"version": desired.version + 1, "meters": {"KFM:d2": {"spec": "acme-one@2"}}}
            await send(engineer, broker.topics, Kind.DESIRED, "d2", json.dumps(by_hand).encode())
            await adopted(database, 2)
        await has(made, d1="2", d2="2")
        assert (await post(made.running, "/specs/acme-one/2:withdraw"))[0] == 422
        done = await moved(made.running, "withdraw", author="eva", reason="wrong sign")
        assert (done["state"], done["devices"], done["meters"]) == ("withdrawn", ["d1", "d2"], 0)
        await until(lambda: made.pis["d1"].spec() == "acme-one@1", "d1 has back what it had")
        assert (await moved(made.running, "withdraw", reason="again"))["changed"] is False
        pis = made.pis
        await pis["d1"].register()
        async with gateway(settings(broker, database)) as other:
            assert (await other.get("/specs/acme-one/2"))["state"] == "withdrawn"
            assert pis["d1"].spec() == "acme-one@1"
            assert pis["d2"].spec() != "acme-one@2"
        assert (await moved(made.running, "rollout", to="d1"))["state"] == "canary"
        await until(lambda: pis["d1"].spec() == "acme-one@2", "a person gave it again")
    (event,) = await events(database, "spec_withdrawn")
    assert (event["severity"], event["detail"]["reason"]) == ("warning", "wrong sign")


async def test_a_version_that_was_for_all_can_be_withdrawn(broker: Broker, database: Database) -> None:
    """What its meters had before stands in the history of their configurations, deprecated or not."""
    async with fleet(broker, database, "d1") as made:
        await published(made.running, acme(version=2))
        await has(made, d1="2")
        await post(made.running, "/specs/acme-one/1:deprecate")
        assert (await moved(made.running, "withdraw", reason="bad"))["devices"] == ["d1"]
        await has(made, d1="1")
        assert (await post(made.running, "/specs/acme-one/9:withdraw", reason="x"))[0] == 404
        await post(made.running, "/specs", acme(version=3))
        assert (await post(made.running, "/specs/acme-one/3:withdraw", reason="x"))[0] == 409
        overview = await rows(database, "SELECT spec, state, meters FROM rollout_overview")
        assert overview == [{"spec": "acme-one@2", "state": "withdrawn", "meters": 0}]
        await published(made.running, acme("acme-other"))
        status, problem = await post(made.running, "/specs/acme-one/2:release")
        assert (status, problem["field"]) == (422, "match")
        await post(made.running, "/specs/acme-other/1:withdraw", reason="in the way")
        assert (await moved(made.running, "release"))["state"] == "published"
        await has(made, d1="2")


async def test_a_newer_version_for_all_supersedes_a_canary(broker: Broker, database: Database) -> None:
    """The audience of version 2 gets version 3 as everybody does; a canary of another name ties as any spec does."""
    async with fleet(broker, database, "d1", "d2") as made:
        await made.canary("d1")
        await has(made, d1="2", d2="1")
        await published(made.running, acme(version=3))
        await has(made, d1="3", d2="3")
        status, problem = await post(made.running, "/specs", acme("acme-other"), publish="true", canary="d1")
        assert (status, problem["field"]) == (422, "match")
        good = acme("acme-other", match="identification: 'ZZZ5*', bonus: 1")
        await published(made.running, good, canary="d2")
        await until(lambda: made.pis["d2"].spec() == "acme-other@1", "the better match has its audience")
        status, problem = await post(
            made.running, "/specs", acme("acme-third", match="identification: 'ZZZ5*', bonus: 1"), publish="true"
        )
        assert (status, "acme-other@1" in problem["errors"][0]["reason"]) == (422, True)
        assert made.pis["d1"].spec() == "acme-one@3"
