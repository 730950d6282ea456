"""Tokens with roles, limits, the audit, and the stream of changes, on a real gateway and database."""

import asyncio
import contextlib
import json
from operator import itemgetter
from typing import Any

import pytest
from pydantic import SecretStr

from tests.rigs.access import ROOT, ask, events
from tests.rigs.gateway import Gateway, connection, gateway, gateway_settings, rows
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def make(running: Gateway, name: str, role: str, **more: Any) -> str:
    status, made, _ = await ask(running, "POST", "/tokens", ROOT, json={"name": name, "role": role, **more})
    assert status == 200, made
    return str(made["token"])


async def add_device(database: Database, name: str) -> None:
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name, online) VALUES ($1, true)", name)


async def test_each_role_may_what_the_document_says_and_no_more(broker: Broker, database: Database) -> None:
    """A viewer reads, an engineer changes, an admin makes tokens; a refusal names the role that is needed."""
    await add_device(database, "pi-1")
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        tokens = {role: await make(running, role, role) for role in ("viewer", "engineer", "admin")}
        change = ("PATCH", "/devices/pi-1/parameters", {"json": {"raw_frames": True}})
        attempts = [("GET", "/devices", {}), change, ("GET", "/tokens", {}), ("GET", "/audit", {})]
        allowed = {
            role: [(await ask(running, method, path, token, **more))[0] for method, path, more in attempts]
            for role, token in tokens.items()
        }
        assert allowed == {
            "viewer": [200, 403, 403, 403], "engineer": [200, 200, 403, 403], "admin": [200, 200, 200, 200]
        }  # fmt: skip
        status, refused, _ = await ask(running, "PATCH", change[1], tokens["viewer"], json={})
        assert (status, "engineer" in refused["errors"][0]["fix"]) == (403, True)
        document = (await ask(running, "GET", "/openapi.json", None))[1]
        assert document["paths"]["/api/v1/tokens"]["post"]["x-wattline-role"] == "admin"
        assert (await ask(running, "GET", "/me", tokens["engineer"]))[1] == {"name": "engineer", "role": "engineer"}
        claimed = f"{change[1]}?author=admin"
        assert (await ask(running, "PATCH", claimed, tokens["engineer"], json={"raw_frames": False}))[0] == 200
        layers = await rows(database, "SELECT author FROM parameter_document WHERE scope = 'device:pi-1' ORDER BY id")
        assert [one["author"] for one in layers] == ["engineer", "engineer (for admin)"]
        assert (await rows(database, "SELECT author FROM desired"))[0]["author"] == "engineer (for admin)"
        done = (await ask(running, "GET", "/audit?actor=engineer&refused=false", tokens["admin"]))[1]["items"]
        assert [one["query"] for one in done] == ["author=admin", ""]


async def test_a_token_ends_when_revoked_or_over_and_is_kept_as_a_hash(broker: Broker, database: Database) -> None:
    """Revoked and expired tokens get 401; a name is taken only while its token lives; no secret is stored."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        token = await make(running, "anna", "viewer", days=1)
        assert (await ask(running, "POST", "/tokens", ROOT, json={"name": "anna", "role": "viewer"}))[0] == 409
        assert (await ask(running, "GET", "/devices", token))[0] == 200
        assert token not in str(await rows(database, "SELECT * FROM api_token"))
        assert (await ask(running, "DELETE", "/tokens/anna", ROOT))[0] == 200
        assert (await ask(running, "GET", "/devices", token))[0] == 401
        assert (await ask(running, "DELETE", "/tokens/anna", ROOT))[0] == 404
        second = await make(running, "anna", "viewer")
        async with connection(database) as opened:
            await opened.execute("UPDATE api_token SET expires_at = now() WHERE revoked_at IS NULL")
        assert (await ask(running, "GET", "/devices", second))[0] == 401
        for wrong in (
            {"name": "a b", "role": "viewer"},
            {"name": "x", "role": "king"},
            {"name": "x"},
            [],
            {"name": "system", "role": "viewer"},
            {"name": "hand", "role": "admin"},
        ):
            assert (await ask(running, "POST", "/tokens", ROOT, json=wrong))[0] == 422, wrong


async def test_each_change_and_refusal_is_in_the_audit(broker: Broker, database: Database) -> None:
    """Who, from where, what, and what came of it; a change by nobody known is there too, and no secret is."""
    await add_device(database, "pi-1")
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        anna = await make(running, "anna", "engineer")
        path = "/devices/pi-1/parameters"
        assert (await ask(running, "PATCH", path + "?reason=trial", anna, json={"raw_frames": True}))[0] == 200
        assert (await ask(running, "PATCH", path, anna, json={"raw_frames": 7}))[0] == 422
        assert (await ask(running, "PATCH", path, anna, data=b"x" * 300_000))[0] == 413
        assert (await ask(running, "PATCH", path, "nonsense", json={}))[0] == 401
        page = (await ask(running, "GET", "/audit?limit=2", ROOT))[1]
        older = (await ask(running, "GET", "/audit", ROOT, params={"cursor": page["next"]}))[1]
        lines = [(one["actor"], one["action"], one["status"]) for one in [*page["items"], *older["items"]]]
        assert lines == [
            ("-", "patchDeviceParameters", 401),
            ("anna", "patchDeviceParameters", 413),
            ("anna", "patchDeviceParameters", 422),
            ("anna", "patchDeviceParameters", 200),
            ("api", "createToken", 200),
        ]
        done = older["items"][1]
        assert (done["query"], json.loads(done["body"]), done["address"]) == (
            "reason=trial", {"raw_frames": True}, "127.0.0.1"
        )  # fmt: skip
        assert anna not in str(await rows(database, "SELECT * FROM audit"))
        refused = (await ask(running, "GET", "/audit?refused=true", ROOT))[1]["items"]
        assert {one["status"] for one in refused} == {401, 413, 422}


async def test_who_asks_too_often_waits(broker: Broker, database: Database) -> None:
    """One token's flood gets 429 with Retry-After; another token is not held up; the flood is one line of the audit."""
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), api_rate_per_s=0.1, api_burst=5)
    async with gateway(settings) as running:
        anna = await make(running, "anna", "viewer")
        # at once: one after the other they may take long enough for a sixth to be let in
        answers = await asyncio.gather(*(ask(running, "GET", "/me", anna) for _ in range(9)))
        answers.sort(key=itemgetter(0))
        assert [status for status, _, _ in answers] == [200] * 5 + [429] * 4
        _, document, headers = answers[-1]
        assert 1 <= int(headers["Retry-After"]) <= 10
        assert document["field"] == "request"
        assert (await ask(running, "GET", "/me", ROOT))[0] == 200
        assert len(await rows(database, "SELECT 1 FROM audit WHERE status = 429")) == 1
        assert await running.metric("wattline_gateway_http_limited_total", by="token") == 4


async def test_without_a_token_no_other_site_gets_in(broker: Broker, database: Database) -> None:
    """A page of another site, or another name for this machine, can't use a browser to change anything."""
    async with gateway(gateway_settings(broker, database)) as running:
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
            status, document, _ = await ask(running, "PATCH", "/parameters", None, json={}, headers=headers)
            assert (status, document["field"]) == (403, next(iter(headers)))
        own = {"Origin": running.url, "Sec-Fetch-Site": "same-origin"}
        assert (await ask(running, "PATCH", "/parameters", None, json={}, headers=own))[0] == 200


async def test_changes_are_streamed_and_a_client_goes_on_where_it_was(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client sees a change within seconds, and with Last-Event-ID every one that it missed, once and in order."""
    monkeypatch.setattr("gateway.api.stream.routes.HEARTBEAT_S", 0.5)
    async with gateway(gateway_settings(broker, database)) as running:
        url = f"{running.url}/api/v1/events/stream"
        async with running.http.get(url) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            stream = events(response.content)
            assert (await anext(stream))["event"] == "open"
            await add_device(database, "pi-1")
            async with asyncio.timeout(60):
                seen = await anext(stream)
            assert (seen["event"], json.loads(seen["data"])["device"]) == ("device", "pi-1")
        for name in ("pi-2", "pi-3"):
            await add_device(database, name)
        async with running.http.get(url, headers={"Last-Event-ID": seen["id"]}) as response:
            stream = events(response.content)
            await anext(stream)
            async with asyncio.timeout(60):
                missed = [json.loads((await anext(stream))["data"])["device"] for _ in range(2)]
            assert missed == ["pi-2", "pi-3"]
        async with running.http.get(url, params={"kinds": "spec", "for_s": "1.5"}) as response:
            await add_device(database, "pi-4")
            names = [one["event"] async for one in events(response.content)]
            assert names == ["open"]
        async with running.http.get(url, headers={"Last-Event-ID": "1.1"}) as response:
            stream = events(response.content)
            await anext(stream)
            assert (await anext(stream))["event"] == "reset"
        assert (await ask(running, "GET", "/events/stream?last_event_id=7", None))[0] == 422
        assert (await ask(running, "GET", "/events/stream?device=nope", None))[0] == 404

        async def none() -> bool:
            return await running.metric("wattline_gateway_streams") == 0

        await until(none, "no client is counted any more")


async def test_who_guesses_is_not_judged(broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After twenty wrong tokens an address gets 429 before anything is looked up; who was valid before is let in."""
    # however slow the machine, none of the thirty is forgiven meanwhile
    monkeypatch.setattr("gateway.api.auth.rate_limits.FAILED_PER_S", 0.001)
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        anna, ben = [await make(running, name, "viewer") for name in ("anna", "ben")]
        assert (await ask(running, "GET", "/me", anna))[0] == 200
        guesses = [(await ask(running, "GET", "/me", f"guess-{n}"))[0] for n in range(30)]
        assert guesses[:20] == [401] * 20
        assert guesses[20:] == [429] * 10
        status, document, headers = await ask(running, "GET", "/me", ben)  # right, and not looked up
        assert (status, document["field"]) == (429, "request")
        assert int(headers["Retry-After"]) >= 1
        for known in (anna, ROOT):
            assert (await ask(running, "GET", "/me", known))[0] == 200
        login = {"data": {"token": ben}, "headers": {"Accept": "text/html"}, "allow_redirects": False}
        async with running.http.post(f"{running.url}/login", **login) as response:
            assert response.status == 429


async def test_metrics_are_for_this_host_and_for_tokens(broker: Broker, database: Database) -> None:
    """Another host, as a proxy's header tells of one, needs a token; a scraper on this host needs none."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        for headers, expected in (
            ({}, 200),
            ({"X-Forwarded-For": "192.0.2.7"}, 401),
            ({"X-Forwarded-For": "192.0.2.7", "Authorization": f"Bearer {ROOT}"}, 200),
        ):
            async with running.http.get(f"{running.url}/metrics", headers=headers) as response:
                assert response.status == expected
                assert response.headers["Server"] == "Wattline"
                assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_one_token_takes_its_share_of_the_streams(broker: Broker, database: Database) -> None:
    """A token that holds as many streams as it may gets 429; another one gets its stream."""
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), api_streams=10, api_streams_each=2)
    async with gateway(settings) as running, contextlib.AsyncExitStack() as stack:
        anna = await make(running, "anna", "viewer")
        url, found = f"{running.url}/api/v1/events/stream", []
        for token in (anna, anna, anna, ROOT):
            headers = {"Authorization": f"Bearer {token}"}
            found.append((await stack.enter_async_context(running.http.get(url, headers=headers))).status)
        assert found == [200, 200, 429, 200]
