"""People who log in by name and password, on a real gateway and database."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from pydantic import SecretStr

from cli import users
from cli.users import user
from tests.rigs.access import ROOT, ask
from tests.rigs.cli import typed
from tests.rigs.gateway import Gateway, gateway, gateway_settings, rows
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

FIRST, SECOND = "seven wet umbrellas", "nine dry umbrellas"


async def log_in(running: Gateway, name: str, password: str, client: str = "") -> tuple[int, str]:
    """Status of a login, and the cookie."""
    running.http.cookie_jar.clear()
    form = {"user": name, "token": password}
    headers = {"X-Forwarded-For": client} if client else {}
    async with running.http.post(f"{running.url}/login", data=form, headers=headers, allow_redirects=False) as response:
        cookie = response.cookies.get("wattline")
        running.http.cookie_jar.clear()
        return response.status, cookie.value if cookie else ""


async def me(running: Gateway, cookie: str) -> tuple[int, Any]:
    status, document, _ = await ask(running, "GET", "/me", None, headers={"Cookie": f"wattline={cookie}"})
    return status, document


async def make(running: Gateway, name: str, role: str = "engineer", password: str = FIRST) -> tuple[int, Any]:
    body = {"name": name, "role": role, "password": password}
    status, document, _ = await ask(running, "POST", "/users", ROOT, json=body)
    return status, document


async def test_a_user_logs_in_acts_and_ends(
    broker: Broker, database: Database, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name and password, with the role's rights, named in the audit; role, password and removal end sessions."""
    caplog.set_level(logging.DEBUG)
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        status, made = await make(running, "anna")
        assert (status, made["name"], made["role"], "password" in made) == (200, "anna", "engineer", False)
        for name, password in (("anna", SECOND), ("nobody", FIRST), ("anna\0", FIRST), ("anna", ""), ("", FIRST)):
            assert await log_in(running, name, password) == (401, "")
        status, cookie = await log_in(running, "anna", FIRST)
        assert status == 303
        assert await me(running, cookie) == (200, {"name": "anna", "role": "engineer"})
        own = {"Cookie": f"wattline={cookie}", "Sec-Fetch-Site": "same-origin"}
        assert (await ask(running, "PATCH", "/parameters", None, headers=own, json={"raw_frames": True}))[0] == 200
        assert (await ask(running, "GET", "/users", None, headers=own))[0] == 403
        layers = await rows(database, "SELECT author FROM parameter_document")
        assert layers == [{"author": "anna"}]

        assert (await ask(running, "PATCH", "/users/anna", ROOT, json={"role": "viewer"}))[0] == 200
        assert (await me(running, cookie))[0] == 401
        _, cookie = await log_in(running, "anna", FIRST)
        assert (await me(running, cookie))[1]["role"] == "viewer"
        own["Cookie"] = f"wattline={cookie}"
        for old, new, expected in ((SECOND, SECOND, 422), (FIRST, "sh0rt", 422), (FIRST, SECOND, 200)):
            change = {"old": old, "new": new}
            assert (await ask(running, "PUT", "/me/password", None, headers=own, json=change))[0] == expected
        assert (await me(running, cookie))[0] == 401
        assert (await log_in(running, "anna", FIRST))[0] == 401
        _, cookie = await log_in(running, "anna", SECOND)
        assert (await ask(running, "DELETE", "/users/anna", ROOT))[0] == 200
        assert (await me(running, cookie))[0] == 401
        assert (await log_in(running, "anna", SECOND))[0] == 401
        assert (await ask(running, "PUT", "/me/password", ROOT, json={"old": FIRST, "new": SECOND}))[0] == 409

        audit = await rows(database, "SELECT actor, action, status, body, result FROM audit")
        actions = {(one["actor"], one["action"], one["status"]) for one in audit}
        assert {("anna", "login", 200), ("anna", "changeOwnPassword", 200), ("api", "removeUser", 200)} <= actions
        everything = (
            str(audit) + str(await rows(database, "SELECT * FROM account")) + caplog.text + capsys.readouterr().err
        )
        assert not any(secret in everything for secret in (FIRST, SECOND, "sh0rt"))


async def test_whoever_takes_a_session_can_t_find_the_password_by_it(broker: Broker, database: Database) -> None:
    """After a few wrong old passwords it is one a minute, whatever the rate of the API."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        await make(running, "anna")
        _, cookie = await log_in(running, "anna", FIRST)
        own = {"Cookie": f"wattline={cookie}", "Sec-Fetch-Site": "same-origin"}
        tried = [
            (await ask(running, "PUT", "/me/password", None, headers=own, json={"old": f"no {n}", "new": SECOND}))[0]
            for n in range(7)
        ]
        assert tried == [422] * 5 + [429] * 2


async def test_guesses_that_come_at_once_are_counted_as_those_one_after_the_other(
    broker: Broker, database: Database
) -> None:
    """Sixty at a time, at the login and at one's own password: no more are judged than would be one by one."""
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), proxies="127.0.0.1")
    async with gateway(settings) as running:
        await make(running, "anna")
        _, cookie = await log_in(running, "anna", FIRST, "192.0.2.1")
        own = {"Cookie": f"wattline={cookie}", "Sec-Fetch-Site": "same-origin"}
        body = {"old": "not mine", "new": SECOND}
        changes = [ask(running, "PUT", "/me/password", None, headers=own, json=body) for _ in range(20)]
        assert sorted(answer[0] for answer in await asyncio.gather(*changes)) == [422] * 5 + [429] * 15
        logins = [log_in(running, "anna", f"guess {n}", f"198.51.100.{n}") for n in range(60)]
        assert sorted(status for status, _ in await asyncio.gather(*logins)) == [401] * 20 + [429] * 40
        assert (await log_in(running, "anna", FIRST, "192.0.2.1"))[0] == 303


async def test_a_name_is_one_actor_s(broker: Broker, database: Database) -> None:
    """No user has a living token's name, nor the other way; names of the gateway's own are nobody's."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        assert (await ask(running, "POST", "/tokens", ROOT, json={"name": "ci", "role": "viewer"}))[0] == 200
        assert (await make(running, "ci"))[0] == 409
        assert (await make(running, "anna"))[0] == 200
        assert (await make(running, "anna"))[0] == 409
        assert (await ask(running, "POST", "/tokens", ROOT, json={"name": "anna", "role": "viewer"}))[0] == 409
        for wrong in ("system", "hand", "enrolment", "gateway", "ingestor", "System", "a b", ""):
            assert (await make(running, wrong))[0] == 422, wrong
            asked = {"name": wrong, "role": "viewer"}
            assert (await ask(running, "POST", "/tokens", ROOT, json=asked))[0] == 422, wrong
        assert (await make(running, "eva", password="abababababab"))[0] == 422
        assert (await ask(running, "PATCH", "/users/eva", ROOT, json={"role": "viewer"}))[0] == 404


async def test_nobody_guesses_a_user_s_password_from_many_addresses(broker: Broker, database: Database) -> None:
    """Twenty from wherever, then one a minute, right or wrong; the user gets in from where they always do."""
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), proxies="127.0.0.1")
    async with gateway(settings) as running:
        await make(running, "anna")
        assert (await log_in(running, "anna", FIRST, "192.0.2.1"))[0] == 303
        tried = [(await log_in(running, "anna", f"guess {n}", f"198.51.100.{n}"))[0] for n in range(22)]
        assert tried == [401] * 20 + [429] * 2
        assert (await log_in(running, "anna", FIRST, "198.51.100.99"))[0] == 429, "right, and not looked at"
        assert (await log_in(running, "anna", FIRST, "192.0.2.1"))[0] == 303
        await make(running, "eva")
        assert (await log_in(running, "eva", FIRST, "198.51.100.99"))[0] == 303
        assert await running.metric("wattline_gateway_http_limited_total", by="user") == 3


async def test_users_from_the_command_line(
    broker: Broker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made, listed, changed and removed; a password is typed twice or comes from a file, and is never an argument."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:

        async def by(*words: str, text: str = "") -> Result:
            return await typed(running, user, *words, text=text, WATTLINE_TOKEN=ROOT)

        assert (await by("list")).output == "no users\n"
        # a person at a terminal, who is no process's standard input here
        monkeypatch.setattr(users, "_is_terminal", lambda: True)
        made = await by("add", "anna", "--role", "engineer", text=f"{FIRST}\n{FIRST}\n")
        assert made.output.endswith("anna may log in as engineer\n"), made.output
        assert FIRST not in made.output
        assert (await log_in(running, "anna", FIRST))[0] == 303
        differ = await by("password", "anna", text=f"{SECOND}\nanother one\n")
        assert differ.exit_code != 0
        changed = await by("password", "anna", "--password-file", "-", text=SECOND + "\n")
        assert changed.output == "anna has a new password\n"
        assert (await log_in(running, "anna", SECOND))[0] == 303
        assert (await by("role", "anna", "viewer")).output == "anna may log in as viewer\n"
        (one,) = json.loads((await by("list", "--json")).output)
        assert (one["name"], one["role"], one["author"]) == ("anna", "viewer", "api")
        assert one["last_login_at"] is not None
        assert "anna  viewer  api" in (await by("list")).output
        empty, garbled = tmp_path / "empty", tmp_path / "garbled"
        empty.write_bytes(b"")
        garbled.write_bytes(b"\xff\xfe\xfd")
        for file in (empty, garbled, tmp_path):
            refused = await by("add", "eva", "--role", "viewer", "--password-file", str(file))
            assert (refused.exit_code, file.name in refused.output) == (2, True), refused.output
        for weak in ("sh0rt", "abababababab"):
            refused = await by("add", "eva", "--role", "viewer", "--password-file", "-", text=weak + "\n")
            assert (refused.exit_code, "password: " in refused.output) == (1, True), refused.output
            assert weak not in refused.output
        assert (await by("remove", "anna")).output == "anna is removed\n"
        assert "no user 'anna'" in (await by("remove", "anna")).output
        await until(lambda: rows(database, "SELECT count(*) = 0 AS gone FROM console_session"), "no session is left")
