"""Specs over the API, from a draft to the retained configuration of the devices, and out of use again."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from broker.contract.messages import Desired
from broker.contract.topics import Kind
from broker.mqtt.session import Session
from cli.specs.command import spec as spec_command
from gateway import service
from meters.specs.catalogue import catalogue, shipped_text
from meters.specs.spec import load_spec, spec_document, spec_from
from meters.telegram import Wire
from tests.rigs.cli import typed
from tests.rigs.gateway import (
    Gateway,
    Watcher,
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
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import KEY, acme, post, published
from tests.rigs.waiting import until


async def given(seen: Watcher, spec: str, device: str = "d1") -> Desired:
    """Wait until the device's retained configuration names this spec for its meter."""
    found: Desired = await until(
        lambda: (d := seen.desired(device)) and d.meters.get(KEY) and d.meters[KEY].spec == spec and d,
        f"{spec} is desired",
    )
    return found


@contextlib.asynccontextmanager
async def fleet(broker: Broker, database: Database) -> AsyncIterator[tuple[Gateway, Watcher, Session]]:
    """A gateway with device d1, whose meter only the generic spec fits."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database, outbox_read_s=600)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
        await given(seen, "generic-p1@1")
        yield running, seen, device


async def test_a_published_spec_reaches_the_devices_within_seconds(broker: Broker, database: Database) -> None:
    """Publishing matches at once: the spec is retained, then the device's next configuration; all with who and why."""
    async with fleet(broker, database) as (running, seen, _):
        done = await published(running, acme(), author="anna", reason="new product")
        desired = await given(seen, "acme-one@1")
        assert desired.version == 2
        assert "acme-one@1" in seen.specs()
        assert (done["state"], done["changed"], done["meters"], done["devices"]) == ("published", True, 1, ["d1"])
        one = await running.get("/specs/acme-one/1")
        assert (one["author"], one["reason"], one["meters"], one["state"]) == (
            "local (for anna)",
            "new product",
            1,
            "published",
        )
        await published(running, acme(version=2))
        assert (await given(seen, "acme-one@2")).version == 3
    (first, _) = await events(database, "spec_published")
    assert first["detail"]["author"] == "local (for anna)"
    assert first["detail"]["reason"] == "new product"
    assert first["detail"]["devices_changed"] == 1


async def test_a_published_version_is_immutable(broker: Broker, database: Database) -> None:
    """The same content again changes nothing, however written; another content is a conflict that says what to do."""
    async with fleet(broker, database) as (running, seen, _):
        first = await published(running, acme(), author="anna")
        same = json.dumps(spec_document(load_spec(acme(), origin="test")))
        for text, query in ((acme(), {"publish": "true"}), (same, {"publish": "true"}), (same, {})):
            status, again = await post(running, "/specs", text, author="eve", **query)
            assert (status, again["changed"], again["sha256"]) == (200, False, first["sha256"])
            assert again["state"] == "published"
        for query in ({"publish": "true"}, {}):
            status, problem = await post(running, "/specs", acme(more="digits: 6"), **query)
            assert (status, problem["field"]) == (409, "version")
            assert problem["errors"][0]["fix"] == "version: 2"
        assert (await running.get("/specs/acme-one/1"))["author"] == "local (for anna)"
        assert len(await events(database, "spec_published")) == 1
        desired = await given(seen, "acme-one@1")
        assert desired.version == 2


async def test_a_draft_is_kept_mended_and_published(broker: Broker, database: Database) -> None:
    """A draft may be wrong and change; it touches no device until it is published, which needs it whole."""
    async with fleet(broker, database) as (running, seen, _):
        status, saved = await post(running, "/specs", acme(kw="9"), author="anna")
        assert (status, saved["state"], saved["report"]["valid"]) == (200, "draft", False)
        status, problem = await post(running, "/specs/acme-one/1:publish", author="bob")
        assert (status, problem["field"]) == (422, "goldens.0.values.1-0:1.7.0")
        assert "expected 9, got 0.482" in problem["errors"][0]["reason"]
        assert (await post(running, "/specs", acme()))[1]["changed"] is True
        assert (await post(running, "/specs", acme()))[1]["changed"] is False
        assert (await post(running, "/specs/acme-one/1:deprecate"))[0] == 409
        drafts = (await running.get("/specs", state="draft"))["items"]
        assert [(one["spec"], one["version"], one["meters"]) for one in drafts] == [("acme-one", 1, 0)]
        desired = seen.desired("d1")
        assert desired is not None
        assert desired.version == 1
        status, done = await post(running, "/specs/acme-one/1:publish", author="bob")
        assert (status, done["state"], done["changed"]) == (200, "published", True)
        await given(seen, "acme-one@1")
        assert (await post(running, "/specs/acme-one/1:publish"))[1]["changed"] is False
        assert (await running.get("/specs", state="draft"))["items"] == []
        assert (await post(running, "/specs/nobody/1:publish"))[0] == 404
    assert len(await rows(database, "SELECT FROM spec_draft")) == 0
    assert len(await events(database, "spec_draft_saved")) == 2


async def test_validation_shows_all_that_is_wrong_and_stores_nothing(broker: Broker, database: Database) -> None:
    """Each field by its path, each golden by telegram, code, expected and got, each tie by the other's name."""
    async with gateway(gateway_settings(broker, database, outbox_read_s=600)) as running:
        good = (await post(running, "/specs:validate", acme()))[1]
        assert (good["valid"], good["spec"], good["version"], good["goldens_checked"]) == (True, "acme-one", 1, 1)
        (difference,) = (await post(running, "/specs:validate", acme(kw="0.5")))[1]["differences"]
        assert difference == {
            "field": "goldens.0.values.1-0:1.7.0", "golden": "import", "code": "1-0:1.7.0",
            "expected": "0.5", "got": "0.482",
        }  # fmt: skip
        wrong = (await post(running, "/specs:validate", acme(more="colour: red\ndigits: 99")))[1]
        assert {one["field"] for one in wrong["errors"]} == {"colour", "digits"}
        nothing = (await post(running, "/specs:validate", "- a\n- b\n"))[1]
        assert (nothing["valid"], nothing["errors"][0]["field"]) == (False, "body")
        status, problem = await post(running, "/specs", "name: [")
        assert (status, problem["field"]) == (422, "body")
    assert len(await rows(database, "SELECT FROM spec")) == len(catalogue())
    assert await rows(database, "SELECT FROM spec_draft") == []


async def test_a_tie_is_refused_naming_the_other(broker: Broker, database: Database) -> None:
    """Two names with the same score for one telegram leave it to chance; deprecating the other, or a bonus, decides."""
    async with fleet(broker, database) as (running, seen, _):
        await published(running, acme())
        other = acme("acme-other")
        status, problem = await post(running, "/specs", other, publish="true")
        assert (status, problem["field"]) == (422, "match")
        assert "acme-one@1" in problem["errors"][0]["reason"]
        assert (await post(running, "/specs:validate", other))[1]["ties"][0]["spec"] == "acme-one@1"
        assert (await post(running, "/specs/acme-one/1:deprecate"))[0] == 200
        await published(running, acme("acme-other", match="identification: 'ZZZ5*', bonus: 1"))
        await given(seen, "acme-other@1")


async def test_a_deprecated_spec_is_given_to_nobody_anew(broker: Broker, database: Database) -> None:
    """The meter that has it keeps it, also over a restart, until a successor; a new meter gets another; no new pin."""
    await broker.add_device("d2")
    async with fleet(broker, database) as (running, seen, device):
        await published(running, acme())
        kept = await given(seen, "acme-one@1")
        status, done = await post(running, "/specs/acme-one/1:deprecate", author="anna", reason="wrong sign")
        assert (status, done["state"], done["changed"], done["meters"]) == (200, "deprecated", True, 1)
        assert (await post(running, "/specs/acme-one/1:deprecate"))[1]["changed"] is False
        other = p1_meter("KFM:2", port="/dev/ttyUSB1")
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY), other))
        now: Desired = await until(lambda: (d := seen.desired("d1")) and "KFM:2" in d.meters and d, "the new meter")
        assert (now.meters[KEY].spec, now.meters["KFM:2"].spec) == ("acme-one@1", "generic-p1@1")
        by_hand = json.loads(now.payload())
        del by_hand["hash"]
        by_hand |= {"version": now.version + 1, "author": "eve"}
        by_hand["meters"]["KFM:2"] = {"spec": "acme-one@1"}
        async with entered(broker, "engineer") as engineer:
            await send(engineer, broker.topics, Kind.DESIRED, "d1", json.dumps(by_hand).encode())
        (refused,) = await until(lambda: events(database, "desired_refused"), "the pin is refused")
        assert "deprecated" in json.dumps(refused["detail"])
        one = await running.get("/specs/acme-one/1")
        assert (one["state"], one["deprecated_by"], one["deprecated_why"]) == (
            "deprecated",
            "local (for anna)",
            "wrong sign",
        )
    async with watching(broker) as seen, gateway(gateway_settings(broker, database, outbox_read_s=600)) as running:
        assert (await running.get("/specs/acme-one/1"))["meters"] == 1
        await published(running, acme(version=2))
        after: Desired = await until(
            lambda: (d := seen.desired("d1")) and d.meters["KFM:2"].spec == "acme-one@2" and d, "the successor"
        )
        assert after.meters[KEY].spec == "acme-one@2"
        assert after.version > kept.version
    (event,) = await events(database, "spec_deprecated")
    assert event["detail"] == {"spec": "acme-one@1", "author": "local (for anna)", "reason": "wrong sign"}


async def test_a_spec_is_shown_as_its_author_wrote_it(broker: Broker, database: Database) -> None:
    """YAML keeps comments; a shipped spec comes as YAML that can be published as the next version."""
    async with gateway(gateway_settings(broker, database, outbox_read_s=600)) as running:
        await published(running, acme())
        for query, headers in (({"format": "yaml"}, {}), ({}, {"Accept": "application/yaml"})):
            url = f"{running.url}/api/v1/specs/acme-one/1"
            async with running.http.get(url, params=query, headers=headers) as response:
                assert response.content_type == "application/yaml"
                assert await response.text() == acme()
        async with running.http.get(f"{running.url}/api/v1/specs/lgz-e360-se/1?format=yaml") as response:
            text = await response.text()
        shipped = next(spec for spec in catalogue() if spec.name == "lgz-e360-se")
        assert load_spec(text, origin="api").digest == shipped.digest
        assert text == shipped_text("lgz-e360-se@1", shipped.digest)
        await published(running, text.replace("version: 1\n", "version: 2\n", 1))
        names = [(one["spec"], one["version"]) for one in (await running.get("/specs", limit=1000))["items"]]
        assert names == sorted(names)
        generic = (await running.get("/specs", generic="true"))["items"]
        assert {one["spec"] for one in generic} == {f"generic-{wire}" for wire in Wire}


async def test_a_document_comes_back_in_its_authors_order(broker: Broker, database: Database) -> None:
    """Also a shipped one, by the API and the command line; what the author left to the defaults comes last."""
    backwards = "\n".join(reversed([line for line in acme().splitlines() if line and line[0].isalpha()][:-1]))
    golden = acme()[acme().index("goldens:") :]
    async with gateway(gateway_settings(broker, database, outbox_read_s=600)) as running:
        await published(running, f"{backwards}\n{golden}")
        own = (await running.get("/specs/acme-one/1"))["document"]
        assert list(own) == ["standard", "source", "match", "product", "version", "name", "goldens", "format"]
        dzg = next(spec for spec in catalogue() if spec.name == "dzg-dvs74")
        shipped = (await running.get(f"/specs/dzg-dvs74/{dzg.version}"))["document"]
        assert list(shipped)[:6] == ["name", "version", "product", "match", "source", "link"]
        assert list(shipped["product"]) == ["manufacturer", "maker", "name", "countries"]
        assert list(shipped["quirks"][0]) == ["why", "address", "when", "do"]
        assert spec_from(shipped, origin="api").digest == dzg.digest
        shown = await typed(running, spec_command, "show", dzg.ref, "--json")
        assert list(json.loads(shown.output)["document"]) == list(shipped)


async def test_a_version_knows_what_it_can_be_compared_with(broker: Broker, database: Database) -> None:
    """The newest published version before it; the first one has none."""
    async with gateway(gateway_settings(broker, database, outbox_read_s=600)) as running:
        for version in (1, 2, 4):
            await published(running, acme(version=version))
        before = {n: (await running.get(f"/specs/acme-one/{n}"))["before"] for n in (1, 2, 4)}
    assert before == {1: None, 2: "acme-one@1", 4: "acme-one@2"}


async def test_a_platform_of_before_moves_to_the_new_version_of_a_shipped_spec(
    broker: Broker, bare_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its meters get it when the new gateway starts, without a conflict, and what was published stays as it was."""
    now = next(spec for spec in catalogue() if spec.name == "iskra-mie5t")
    document = {**spec_document(now), "version": now.version - 1, "time": {"zone": "Europe/Dublin"}, "goldens": []}
    then = spec_from(document, origin="an earlier release")
    meter = p1_meter(KEY, manufacturer="ISK", facts={"identification": "ISk5\\2MIE5T-200"})
    await broker.add_device("d1")
    async with watching(broker) as seen:
        with monkeypatch.context() as earlier:
            earlier.setattr(service, "catalogue", lambda: (then,))
            async with gateway(gateway_settings(broker, bare_database)), entered(broker, "d1") as device:
                await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(meter))
                await given(seen, then.ref)
        async with gateway(gateway_settings(broker, bare_database)):
            await given(seen, now.ref)
    assert await events(bare_database, "spec_conflict") == []
    kept = await rows(bare_database, "SELECT version, sha256 FROM spec WHERE name = 'iskra-mie5t' ORDER BY version")
    assert [(one["version"], one["sha256"]) for one in kept] == [(one.version, one.digest) for one in (then, now)]


async def test_two_publications_at_once_are_both_kept(broker: Broker, database: Database) -> None:
    """Changes wait for one another, so of two that tie one is refused, whichever comes second."""
    async with fleet(broker, database) as (running, seen, _):
        answers = await asyncio.gather(
            post(running, "/specs", acme(), publish="true"), post(running, "/specs", acme("acme-other"), publish="true")
        )
        assert sorted(status for status, _ in answers) == [200, 422]
        winner = next(document["spec"] for status, document in answers if status == 200)
        await given(seen, f"{winner}@1")
