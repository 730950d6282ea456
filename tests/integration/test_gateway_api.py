"""The HTTP API on a real database: answers, pages, errors that name the field, ETags, and its OpenAPI document."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import SecretStr

from broker.contract.topics import Kind
from tests.rigs.gateway import (
    Gateway,
    connection,
    entered,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    report,
    rows,
    send,
    watching,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
KEY = "LGZ:1/0#?"


async def seed(database: Database) -> None:
    """Devices d1 to d5; at d1 a meter with two series of ten readings, a minute apart."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name, online) SELECT 'd' || n, n = 1 FROM generate_series(1, 5) n")
        await opened.execute(
            "UPDATE device SET outbox_at = $1, outbox_waiting = 3, outbox_waiting_for_s = 7, outbox_unconfirmed = 12,"
            " outbox_unconfirmed_for_s = 90 WHERE name = 'd1'",
            START,
        )
        await opened.execute(
            "INSERT INTO meter (key, device_id, protocol) SELECT $1, id, 'p1' FROM device WHERE name = 'd1'",
            KEY,
        )
        await opened.execute(
            "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, o, u, k FROM meter, "
            "(VALUES ('1-0:1.8.0', 'kWh', 'register'), ('1-0:16.7.0', 'kW', 'instantaneous')) AS s (o, u, k)"
        )
        await opened.execute(
            "INSERT INTO reading (time, value, series_id, source) "
            "SELECT $1::timestamptz + n * INTERVAL '1 minute', n, s.id, 0 FROM series s, generate_series(0, 9) n",
            START,
        )


async def call(running: Gateway, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any], Any]:
    async with running.http.request(method, f"{running.url}{path}", **more) as response:
        return response.status, await response.json(content_type=None), response.headers


def stamp(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


async def test_lists_come_in_pages_and_details_are_complete(broker: Broker, database: Database) -> None:
    """Following `next` gives every device, meter and reading once, in order."""
    await seed(database)
    async with gateway(gateway_settings(broker, database)) as running:
        found, cursor = [], ""
        while cursor is not None:
            page = await running.get("/devices", limit=2, **({"cursor": cursor} if cursor else {}))
            found += [item["device"] for item in page["items"]]
            cursor = page["next"]
        assert found == ["d1", "d2", "d3", "d4", "d5"]
        assert [item["device"] for item in (await running.get("/devices", online="true"))["items"]] == ["d1"]
        meters = await running.get("/meters", device="d1")
        assert [meter["meter"] for meter in meters["items"]] == [KEY]
        assert len((await running.get("/specs", limit=5))["items"]) == 5
        spec = (await running.get("/specs"))["items"][0]
        detail = await running.get(f"/specs/{spec['spec']}/{spec['version']}")
        assert detail["document"]["name"] == spec["spec"]
        outbox = (await running.get("/devices/d1"))["outbox"]
        assert datetime.fromisoformat(outbox.pop("told_at")) == START
        assert outbox == {"waiting": 0, "waiting_for_s": 0, "unconfirmed": 12, "unconfirmed_for_s": 90}
        assert (await running.get("/devices/d2"))["outbox"] is None


async def test_readings_come_in_order_and_in_range(broker: Broker, database: Database) -> None:
    """`from` belongs to the range and `to` does not; pages neither skip nor repeat readings of the same instant."""
    await seed(database)
    path = f"{quote(KEY, safe='')}/readings"
    async with gateway(gateway_settings(broker, database)) as running:

        async def get(**query: str) -> dict[str, Any]:
            status, document, _ = await call(running, "GET", f"/api/v1/meters/{path}", params=query)
            assert status == 200, document
            return document

        found, cursor = [], ""
        while cursor is not None:
            more = {"cursor": cursor} if cursor else {}
            page = await get(**{"from": stamp(2), "to": stamp(8), "limit": "5", **more})
            assert len(page["items"]) <= 5
            found += [(item["at"], item["obis"], item["value"]) for item in page["items"]]
            cursor = page["next"]
        assert len(found) == len(set(found)) == 12
        assert [at for at, _, _ in found] == sorted(at for at, _, _ in found)
        assert {value for _, _, value in found} == {2, 3, 4, 5, 6, 7}
        one = await get(**{"from": stamp(0), "to": stamp(60), "obis": "1-0:16.7.0"})
        assert {(item["obis"], item["unit"], item["source"], item["clock"]) for item in one["items"]} == {
            ("1-0:16.7.0", "kW", "live", "synced")
        }
        assert len(one["items"]) == 10
        latest = (await call(running, "GET", f"/api/v1/meters/{quote(KEY, safe='')}/latest"))[1]
        assert {item["value"] for item in latest["items"]} == {9}


ERRORS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("PATCH", "/devices/d1/parameters", {"data": b"{not json"}, 400, "body"),
    ("PATCH", "/devices/d1/parameters", {"data": b"[]"}, 422, "body"),
    ("PATCH", "/devices/d1/parameters", {"json": {"reading_interval_s": "fast"}}, 422, "reading_interval_s"),
    ("PATCH", "/devices/d1/parameters", {"json": {"reading_interval_s": 0.1}}, 422, "reading_interval_s"),
    ("PATCH", "/devices/d1/parameters", {"json": {"reading_intervall_s": 1}}, 422, "reading_intervall_s"),
    ("PATCH", "/devices/d1/parameters", {"data": b'{"reading_interval_s": NaN}'}, 422, "reading_interval_s"),
    ("PATCH", "/devices/d1/parameters", {"json": {"obis_include": ["energy"]}}, 422, "obis_include.0"),
    ("PATCH", "/devices/d1/parameters", {"data": b"[" * 100_000}, 400, "body"),
    ("PATCH", "/devices/d1/parameters", {"data": b"x" * 300_000}, 413, "body"),
    ("PUT", "/devices/d1/parameters", {"json": {"raw_frames": None}}, 422, "raw_frames"),
    ("PATCH", "/devices/d1/parameters?wait_s=90", {"json": {}}, 422, "wait_s"),
    ("PATCH", "/devices/nobody/parameters", {"json": {}}, 404, "device"),
    ("PATCH", "/parameters", {"json": {"log_level": "loud"}}, 422, "log_level"),
    ("GET", "/devices/nobody", {}, 404, "device"),
    ("GET", "/meters/nobody", {}, 404, "meter"),
    ("GET", "/meters/nobody/latest", {}, 404, "meter"),
    ("GET", "/meters?device=nobody", {}, 404, "device"),
    ("GET", "/specs/nobody/1", {}, 404, "spec"),
    ("GET", "/specs/generic-p1/x", {}, 404, "spec"),
    ("GET", "/devices?limit=0", {}, 422, "limit"),
    ("GET", "/devices?limit=many", {}, 422, "limit"),
    ("GET", "/devices?colour=red", {}, 422, "colour"),
    ("GET", "/devices?cursor=@@", {}, 422, "cursor"),
    ("GET", "/devices?cursor=WzEsMl0", {}, 422, "cursor"),
    ("GET", "/meters/M/readings?limit=10001", {}, 422, "limit"),
    ("GET", "/meters/M/readings?from=yesterday", {}, 422, "from"),
    ("GET", "/meters/M/readings?from=2026-11-23T10:00:00", {}, 422, "from"),
    ("GET", "/meters/M/readings?from=2026-11-24T00:00:00Z&to=2026-11-23T00:00:00Z", {}, 422, "from"),
    ("GET", "/meters/M/readings?to=0001-01-01T00:00:00Z", {}, 422, "to"),
    ("GET", "/meters/M/readings?obis=energy", {}, 422, "obis.0"),
    ("GET", "/meters/M/readings?cursor=WyJ4IiwgMV0", {}, 422, "cursor"),
    ("GET", "/meters/a%00b", {}, 422, "request"),
    ("GET", "/nothing", {}, 404, "path"),
    ("DELETE", "/devices", {}, 405, "path"),
]


async def test_errors_are_problems_that_name_the_field(broker: Broker, database: Database) -> None:
    """Whatever is wrong with a request gets its 4xx as problem+json, with the field, and changes nothing."""
    await seed(database)
    async with connection(database) as opened:
        await opened.execute("INSERT INTO meter (key) VALUES ('M')")
    async with gateway(gateway_settings(broker, database)) as running:
        for method, path, more, status, field in ERRORS:
            got, document, headers = await call(running, method, f"/api/v1{path}", **more)
            assert (got, document.get("field")) == (status, field), (method, path, document)
            assert headers["Content-Type"].startswith("application/problem+json")
            assert document["errors"][0]["reason"]
            assert document["detail"]
        unknown = (await call(running, "PATCH", "/api/v1/devices/d1/parameters", json={"x": 1}))[1]
        assert "publish_interval_s" in unknown["errors"][0]["fix"]
    assert not await rows(database, "SELECT FROM parameter_document")


async def test_parameters_are_layered_and_given_back(broker: Broker, database: Database) -> None:
    """The device's layer lies over the fleet's; null and PUT give parameters back; a repeat raises no version."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await until(lambda: seen.desired("d1"), "desired is retained")
        own = "/api/v1/devices/d1/parameters"

        async def change(method: str, path: str, **values: Any) -> dict[str, Any]:
            status, document, _ = await call(
                running, method, path, json=values, params={"author": "eva", "reason": "r"}
            )
            assert status == 200, document
            return document

        fleet = await change("PATCH", "/api/v1/parameters", reading_interval_s=60, log_level="debug")
        assert fleet["changed"] == fleet["pending"] == ["d1"]
        view = await change("PATCH", own, reading_interval_s=5)
        assert (view["version"], view["effective"]["reading_interval_s"]) == (3, 5.0)
        assert view["effective"]["log_level"] == "debug"
        assert (await change("PATCH", own, reading_interval_s=5))["version"] == 3
        assert (await change("PATCH", own, reading_interval_s=None))["effective"]["reading_interval_s"] == 60
        assert (await change("PUT", own, raw_frames=True))["layers"][1]["parameters"] == {"raw_frames": True}
        last = await change("PUT", "/api/v1/parameters")
        assert last["effective"]["reading_interval_s"] == 10
        desired = await until(lambda: (d := seen.desired("d1")) and d.version == 6 and d, "version 6 is retained")
        assert desired.author == "local (for eva)"
        assert desired.parameters.raw_frames is True
        assert desired.parameters.log_level == "info"
    history = await rows(database, "SELECT scope, version, author, reason FROM parameter_document ORDER BY id")
    assert [(row["scope"], row["version"]) for row in history] == [
        ("fleet", 1),
        ("device:d1", 1),
        ("device:d1", 2),
        ("device:d1", 3),
        ("fleet", 2),
    ]
    assert {(row["author"], row["reason"]) for row in history} == {("local (for eva)", "r")}


async def test_a_change_can_wait_for_the_report(broker: Broker, database: Database) -> None:
    """With wait_s the answer comes with the device's report; without a report it comes when the time is over."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration())
        await until(lambda: seen.desired("d1"), "desired is retained")
        path = "/api/v1/devices/d1/parameters?wait_s=20"
        asking = asyncio.create_task(call(running, "PATCH", path, json={"reading_interval_s": 3}))
        await until(lambda: (d := seen.desired("d1")) and d.version == 2, "version 2 is retained")
        assert not asking.done()
        await send(device, broker.topics, Kind.REPORTED, "d1", report(2, reading_interval_s=3.0))
        status, view, _ = await asyncio.wait_for(asking, 15)
        assert (status, view["in_step"], view["reported"]["version"]) == (200, True, 2)
        late = (await call(running, "PATCH", "/api/v1/parameters?wait_s=0.2", json={"raw_frames": True}))[1]
        assert late["pending"] == ["d1"]


async def test_a_change_of_what_has_changed_since_is_refused(broker: Broker, database: Database) -> None:
    """If-Match with the ETag that was read goes through once; the second writer gets 412 and loses nothing."""
    await seed(database)
    async with gateway(gateway_settings(broker, database)) as running:
        for path, values in (
            ("/api/v1/devices/d1/parameters", {"raw_frames": True}),
            ("/api/v1/parameters", {"log_level": "error"}),
        ):
            etag = (await call(running, "GET", path))[2]["ETag"]
            first = await call(running, "PATCH", path, json=values, headers={"If-Match": etag})
            assert first[0] == 200
            assert first[2]["ETag"] != etag
            status, document, _ = await call(running, "PATCH", path, json={}, headers={"If-Match": etag})
            assert (status, document["field"]) == (412, "If-Match")
            assert "have changed since they were read; last: local changed" in document["detail"]


async def test_the_token_guards_the_api_only(broker: Broker, database: Database) -> None:
    """Without the bearer token the API says 401; /healthz, /metrics and the documents are open."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr("s3cret-of-a-gateway-test"))) as running:
        status, document, headers = await call(running, "GET", "/api/v1/devices")
        assert (status, document["field"], headers["WWW-Authenticate"]) == (401, "Authorization", "Bearer")
        for wrong in ("Bearer wrong", "s3cret-of-a-gateway-test", "Bearer s3cret-of-a-gateway-test2", "Bearer ü"):
            assert (await call(running, "GET", "/api/v1/devices", headers={"Authorization": wrong}))[0] == 401
        assert (
            await call(running, "GET", "/api/v1/devices", headers={"Authorization": "Bearer s3cret-of-a-gateway-test"})
        )[0] == 200
        assert (await call(running, "GET", "/api/v1/openapi.json"))[0] == 200
        for path in ("/healthz", "/metrics", "/docs"):
            async with running.http.get(running.url + path) as response:
                assert response.status == 200, path


async def test_the_openapi_document_is_valid_and_answers_follow_it(broker: Broker, database: Database) -> None:
    """The document validates as OpenAPI 3.1, names every route, and its schemas fit real answers."""
    from jsonschema import Draft202012Validator

    await seed(database)
    async with gateway(gateway_settings(broker, database)) as running:
        document = await running.get("/openapi.json")
        OpenAPIV31SpecValidator(document).validate()
        wanted = {
            "/devices", "/devices/{device}", "/meters", "/meters/{meter}", "/meters/{meter}/latest", "/parameters",
            "/meters/{meter}/readings", "/devices/{device}/parameters", "/specs", "/specs/{name}/{version}",
            "/specs:validate", "/specs/{name}/{version}:publish", "/specs/{name}/{version}:deprecate",
            "/specs/{name}/{version}:compare", "/specs:draft", "/unknown", "/decode", "/points", "/points/{point}",
            "/me", "/tokens", "/tokens/{token}", "/audit", "/events", "/events/stream", "/meters/{meter}/frames",
            "/rollouts", "/specs/{name}/{version}/rollout", "/specs/{name}/{version}:rollout",
            "/specs/{name}/{version}:release", "/specs/{name}/{version}:withdraw", "/devices/{device}/labels",
            "/specs/{name}/{version}:redecode", "/jobs", "/jobs/{job}", "/jobs/{job}:cancel", "/quarantine",
            "/quarantine/{payload}", "/quarantine:retry",
            "/commands", "/commands/{id}", "/devices/{device}/commands/{command}",
            "/export",
        }  # fmt: skip
        for scope in ("", "/groups/{group}", "/devices/{device}"):
            wanted |= {f"{scope}/parameters{rest}" for rest in ("", "/history", "/diff", ":rollback")}
        wanted |= {"/parameters:stage", "/groups/{group}/parameters:stage", "/groups", "/groups/{group}"}
        wanted |= {"/groups/{group}/devices", "/stages", "/stages/{stage}", "/stages/{stage}/devices"}
        wanted |= {f"/stages/{{stage}}:{verb}" for verb in ("pause", "resume", "abort")}
        wanted |= {"/commands", "/commands/{id}", "/devices/{device}/commands/{command}"}
        assert {f"/api/v1{path}" for path in wanted} <= set(document["paths"])
        meter = quote(KEY, safe="")
        for path, real in {
            "/devices": "/devices",
            "/devices/{device}": "/devices/d1",
            "/meters/{meter}": f"/meters/{meter}",
            "/meters/{meter}/latest": f"/meters/{meter}/latest",
            "/meters/{meter}/readings": f"/meters/{meter}/readings",
            "/devices/{device}/parameters": "/devices/d1/parameters",
            "/parameters": "/parameters",
            "/parameters/history": "/parameters/history",
            "/parameters/diff": "/parameters/diff",
            "/groups": "/groups",
            "/stages": "/stages",
            "/specs": "/specs",
            "/rollouts": "/rollouts",
            "/devices/{device}/labels": "/devices/d1/labels",
            "/jobs": "/jobs",
            "/quarantine": "/quarantine",
            "/commands": "/commands?device=d1",
        }.items():
            schema = document["paths"][f"/api/v1{path}"]["get"]["responses"]["200"]["content"]["application/json"]
            status, answer, _ = await call(running, "GET", f"/api/v1{real}")
            assert status == 200
            Draft202012Validator({**schema["schema"], "components": document["components"]}).validate(answer)
        async with running.http.get(f"{running.url}/docs") as response:
            text = await response.text()
            assert 'data-specification="/api/v1/openapi.json"' in text
            assert "script-src 'self'" in response.headers["Content-Security-Policy"]
            assert "//" not in text.replace("<!doctype", "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_without_a_token_the_api_stays_on_loopback(broker: Broker, database: Database, host: str) -> None:
    """An address for others is not bound while no token guards it."""
    settings = gateway_settings(broker, database, http_host=host)
    assert settings.listen_host() == ("127.0.0.1", "loopback only")
    async with gateway(settings) as running:
        assert (await running.get("/devices"))["items"] == []
    guarded = gateway_settings(
        broker, database, http_host=host, api_token=SecretStr("t0ken-that-nobody-guesses"), http_plaintext=True
    )
    assert guarded.listen_host() == (host, "as set")
    assert "t0ken" not in guarded.model_dump_json()
