"""Logging in by a provider of OpenID Connect: the whole way over HTTP, and attacks on it."""

import base64
import contextlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from joserfc import jwt
from pydantic import SecretStr

from deploy.local.process import free_port
from gateway.settings import GatewaySettings
from tests.rigs.access import ROOT, ask
from tests.rigs.gateway import Gateway, gateway, gateway_settings, rows
from tests.rigs.oidc_provider import CLIENT, SECRET, OidcProvider, new_key, oidc_provider
from tests.rigs.servers import Broker, Database

PAGE = {"Accept": "text/html"}
ADDRESSES = itertools.count(1)


def plain(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def encoded(part: dict[str, Any]) -> str:
    return plain(json.dumps(part).encode())


@dataclass
class Browser:
    """A browser with cookies of its own, before a gateway and a provider."""

    running: Gateway
    http: aiohttp.ClientSession

    async def get(self, url: str) -> tuple[int, str, str]:
        """Status, where it leads, text; nothing is followed."""
        async with self.http.get(url, headers=PAGE, allow_redirects=False) as response:
            return response.status, response.headers.get("Location", ""), await response.text()

    async def begin(self, target: str = "/specs") -> str:
        """Where the provider sends the browser back to."""
        status, there, text = await self.get(f"{self.running.url}/login/oidc?next={target}")
        assert status == 303, text
        status, back, _ = await self.get(there)
        assert status == 302
        return back

    async def log_in(self) -> tuple[int, str]:
        """The whole way."""
        status, _, text = await self.get(await self.begin())
        return status, text

    async def me(self) -> Any:
        """Whom the gateway takes the browser for."""
        async with self.http.get(f"{self.running.url}/api/v1/me") as response:
            return await response.json() if response.status == 200 else None


@contextlib.asynccontextmanager
async def browser(running: Gateway) -> AsyncIterator[Browser]:
    # each at an address of its own, so that one attack's failures are not the next one's
    address = {"X-Forwarded-For": f"192.0.2.{next(ADDRESSES)}"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=address) as http:
        yield Browser(running, http)


def settings_for(broker: Broker, database: Database, provider: OidcProvider) -> GatewaySettings:
    port = free_port()
    oidc = {
        "issuer": provider.issuer, "client_id": CLIENT, "client_secret": SecretStr(SECRET),
        "url": f"http://127.0.0.1:{port}", "label": "the firm", "roles": "bosses=admin,operators=engineer",
    }  # fmt: skip
    return gateway_settings(broker, database, http_port=port, api_token=SecretStr(ROOT), oidc=oidc, proxies="127.0.0.1")


async def test_people_log_in_by_their_organisation(broker: Broker, database: Database) -> None:
    """By the provider's word alone, with the role that it gives, known by subject; the key may change."""
    async with oidc_provider() as provider, gateway(settings_for(broker, database, provider)) as running:
        async with browser(running) as anna:
            assert "Log in by the firm" in (await anna.get(f"{running.url}/login"))[2]
            status, text = await anna.log_in()
            assert (status, "0; url=/specs" in text) == (200, True)
            assert await anna.me() == {"name": "anna-firm.example", "role": "engineer"}
        provider.person |= {"preferred_username": "anna.married", "groups": ["operators", "bosses"]}
        provider.key = new_key("second")
        async with browser(running) as anna:
            assert (await anna.log_in())[0] == 200
            assert await anna.me() == {"name": "anna-firm.example", "role": "admin"}
            assert (await ask(running, "DELETE", "/users/anna-firm.example", ROOT))[0] == 200
            assert await anna.me() is None
        audit = await rows(database, "SELECT actor, result FROM audit WHERE action = 'login' ORDER BY id")
        assert audit == [{"actor": "anna-firm.example", "result": "done"}] * 2
        (told,) = await rows(database, "SELECT count(*) AS n FROM account WHERE password IS NOT NULL")
        assert told["n"] == 0


async def test_a_provider_s_name_is_no_other_s(broker: Broker, database: Database) -> None:
    """Somebody new whose name a token or a user has, or the platform, is refused: they would act under it."""
    async with oidc_provider() as provider, gateway(settings_for(broker, database, provider)) as running:
        assert (await ask(running, "POST", "/tokens", ROOT, json={"name": "ci", "role": "viewer"}))[0] == 200
        body = {"name": "eva", "role": "viewer", "password": "seven wet umbrellas"}
        assert (await ask(running, "POST", "/users", ROOT, json=body))[0] == 200
        for name in ("ci", "eva", "system"):
            provider.person = {"sub": f"of {name}", "preferred_username": name, "groups": ["operators"]}
            async with browser(running) as stranger:
                status, text = await stranger.log_in()
                assert (status, "another" in text, await stranger.me()) == (409, True, None)


async def test_what_the_provider_did_not_say_to_us_now_is_refused(broker: Broker, database: Database) -> None:
    """Each lie of a token, and each forged signature: no session, a sentence, a line of the audit."""

    def unsigned(claims: dict[str, Any]) -> str:
        return encoded({"alg": "none", "kid": "first"}) + "." + encoded(claims) + "."

    async with oidc_provider() as provider, gateway(settings_for(broker, database, provider)) as running:
        public = provider.key.as_pem(private=False)

        def confused(claims: dict[str, Any]) -> str:
            head = encoded({"alg": "HS256", "kid": "first"}) + "." + encoded(claims)
            return f"{head}.{plain(hmac.digest(public, head.encode(), 'sha256'))}"

        foreign = new_key("first")
        lies: list[tuple[dict[str, Any], str]] = [
            ({"nonce": "another"}, "another login"), ({"nonce": None}, "another login"),
            ({"aud": "another"}, "another client"), ({"aud": [CLIENT, "another"]}, "another client"),
            ({"azp": "another"}, "another client"), ({"iss": "https://evil.example"}, "another issuer"),
            ({"exp": int(time.time()) - 3600}, "over"), ({"exp": None}, "over"),
            ({"iat": int(time.time()) + 3600}, "future"), ({"sub": None}, "nobody"),
            ({"groups": ["guests"]}, "role"), ({"preferred_username": None}, "no name"),
        ]  # fmt: skip
        signers = [
            unsigned,
            confused,
            lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, foreign),
            lambda claims: jwt.encode({"alg": "RS256", "kid": "elsewhere"}, claims, foreign),
            lambda claims: provider.sign(claims)[:-8] + "AAAAAAAA",
            lambda _: "no token",
        ]
        for lie, told in lies:
            provider.lies = lie
            async with browser(running) as attacker:
                status, text = await attacker.log_in()
                assert (status, told in text, await attacker.me()) == (401, True, None), (lie, text)
        provider.lies = {}
        for number, signer in enumerate(signers):
            provider.signer = signer
            async with browser(running) as attacker:
                status, text = await attacker.log_in()
                assert (status, "signature" in text, await attacker.me()) == (401, True, None), number
        assert await rows(database, "SELECT 1 FROM account") == []
        refused = await rows(database, "SELECT actor, status FROM audit WHERE result LIKE 'login by the provider%'")
        assert refused == [{"actor": "-", "status": 401}] * (len(lies) + len(signers))


async def test_only_the_browser_that_began_ends_a_login(broker: Broker, database: Database) -> None:
    """Another browser, another state, another's code, a code twice, another provider, an error: no session."""
    async with (
        oidc_provider() as provider,
        gateway(settings_for(broker, database, provider)) as running,
        browser(running) as anna,
        browser(running) as eva,
    ):
        back = await anna.begin()
        assert "another browser" in (await eva.get(back))[2]
        await eva.begin()
        assert "another login" in (await eva.get(back))[2], "a state of somebody else's"
        eva_back = await eva.begin()
        code, state = (aiohttp.client.URL(eva_back).query[name] for name in ("code", "state"))
        stolen = aiohttp.client.URL(back).query["code"]
        assert "400" in (await eva.get(eva_back.replace(code, stolen)))[2], "PKCE: a code of another's login"
        assert await eva.me() is None
        again = await anna.begin()
        other = again.replace("iss=", "iss=x")
        assert "another provider" in (await anna.get(other))[2]
        denied = f"{running.url}/login/oidc/callback?error=access_denied&state={state}"
        assert "access_denied" in (await eva.get(denied))[2]
        assert (await anna.get(again))[0] == 200
        assert (await anna.get(again))[0] == 401, "the same once more"
        provider.issuer = "http://127.0.0.1:1"
        assert (await anna.me())["role"] == "engineer"
        status, _, _ = await anna.get(f"{running.url}/login/oidc?next=//evil.example")
        assert status == 303
