"""`wattline token` as an admin types it, and as others may not."""

import json
import re

from click.testing import Result
from pydantic import SecretStr

from cli.tokens import token
from tests.rigs.access import ROOT, ask
from tests.rigs.cli import typed
from tests.rigs.gateway import Gateway, connection, gateway, gateway_settings, rows
from tests.rigs.servers import Broker, Database


async def by(running: Gateway, secret: str, *words: str) -> Result:
    return await typed(running, token, *words, WATTLINE_TOKEN=secret)


async def test_tokens_are_made_listed_and_revoked(broker: Broker, database: Database) -> None:
    """The secret is printed alone and once, works for its role, shows in no list, and ends when it is revoked."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        assert (await by(running, ROOT, "list")).output == "no tokens\n"
        made = await by(running, ROOT, "create", "anna", "--role", "engineer", "--days", "7")
        assert made.exit_code == 0, made.output
        secret = made.output.removesuffix("\n")
        assert (await ask(running, "GET", "/me", secret))[1] == {"name": "anna", "role": "engineer"}
        second = json.loads((await by(running, ROOT, "create", "ci", "--role", "viewer", "--json")).output)
        assert (await ask(running, "GET", "/me", second["token"]))[1] == {"name": "ci", "role": "viewer"}
        assert second["expires_at"] is None

        listed = await by(running, ROOT, "list")
        lines = [line.split() for line in listed.output.splitlines()]
        assert lines[0] == ["name", "role", "author", "created", "expires", "last", "used"]
        assert [line[:3] for line in lines[1:]] == [["anna", "engineer", "api"], ["ci", "viewer", "api"]]
        assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\dZ ", listed.output), "times say that they are UTC"
        as_json = await by(running, ROOT, "list", "--json")
        assert not any(one in listed.output + as_json.output for one in (secret, second["token"]))
        (anna, _) = json.loads(as_json.output)
        assert anna["expires_at"] > anna["created_at"]

        assert (await by(running, ROOT, "revoke", "anna")).output == "anna is revoked\n"
        assert (await ask(running, "GET", "/me", secret))[0] == 401
        assert [one["name"] for one in json.loads((await by(running, ROOT, "list", "--json")).output)] == ["ci"]
        ended = json.loads((await by(running, ROOT, "list", "--revoked", "--json")).output)
        assert [(one["name"], one["revoked_at"] is not None) for one in ended] == [("anna", True), ("ci", False)]
        again = await by(running, ROOT, "create", "anna", "--role", "viewer")
        assert again.exit_code == 0, again.output


async def test_mistakes_with_tokens_are_told_plainly(broker: Broker, database: Database) -> None:
    """A wrong role, name or number of days, a name that is taken, one that nobody has: a sentence, and no token."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        assert (await by(running, ROOT, "create", "anna", "--role", "viewer")).exit_code == 0
        told = {
            ("create", "eva"): (2, "--role"),
            ("create", "eva", "--role", "king"): (2, "'king' is not one of"),
            ("create", "eva", "--role", "viewer", "--days", "0"): (2, "--days"),
            ("create", "a b", "--role", "viewer"): (1, "name: "),
            ("create", "anna", "--role", "admin"): (1, "name: a token 'anna' is there; revoke it first"),
            ("revoke", "nobody"): (1, "no token 'nobody'"),
            ("revoke", "a/b"): (1, "no token 'a/b'"),
        }
        for words, (status, sentence) in told.items():
            done = await by(running, ROOT, *words)
            assert (done.exit_code, sentence in done.output) == (status, True), (words, done.output)
            assert "Traceback" not in done.output
        assert await rows(database, "SELECT name, role FROM api_token") == [{"name": "anna", "role": "viewer"}]


async def test_who_may_not_make_tokens_is_told_which_role_may(broker: Broker, database: Database) -> None:
    """A viewer and an engineer can neither make, list nor revoke tokens; an attempt is in the audit, none is made."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        for role in ("viewer", "engineer"):
            secret = (await by(running, ROOT, "create", role, "--role", role)).output.strip()
            for words, deed in (
                (("create", "mine", "--role", "admin"), "make a token"),
                (("list",), "see tokens"),
                (("revoke", role), "revoke a token"),
            ):
                refused = await by(running, secret, *words)
                assert refused.exit_code == 1, (words, refused.output)
                assert f"{role} has the role {role}; to {deed}, the role admin is needed" in refused.output
                assert "use a token with the role admin" in refused.output
        told = {
            "": "none was given: give --token or set WATTLINE_TOKEN",
            "wl_nonsense": f"the gateway at {running.url} does not know this token: it is mistyped, expired, revoked",
        }
        for secret, sentence in told.items():
            stranger = await by(running, secret, "create", "mine", "--role", "admin")
            assert stranger.exit_code == 1
            assert sentence in stranger.output
        for shown, reason in ((None, "no token was sent"), ("wl_nonsense", "this token is not known")):
            status, problem, _ = await ask(running, "GET", "/me", shown)
            assert (status, problem["field"]) == (401, "Authorization")
            assert reason in problem["detail"]
        async with connection(database) as opened:
            assert await opened.fetchval("SELECT count(*) FROM api_token WHERE revoked_at IS NULL") == 2
            tried = "SELECT count(*) FROM audit WHERE action = 'createToken' AND status IN (401, 403)"
            assert await opened.fetchval(tried) == 4
