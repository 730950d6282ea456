"""A small provider of OpenID Connect that plays by the rules, and lies where a test wants it to."""

import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "wattline", "the secret of the client"
Signer = Callable[[dict[str, Any]], str]


@dataclass
class Given:
    """What a code stands for."""

    query: Mapping[str, str]


@dataclass
class OidcProvider:
    """Who logs in at it, and how it answers."""

    key: RSAKey = field(default_factory=lambda: new_key("first"))
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "4711", "preferred_username": "anna@firm.example", "groups": ["operators"]}
    )
    lies: dict[str, Any] = field(default_factory=dict)
    """Claims in place of the true ones; None leaves one out."""
    signer: Signer | None = None
    """Signs in place of its own key."""
    codes: dict[str, Given] = field(default_factory=dict)
    issuer: str = ""
    key_fetches: int = 0

    def sign(self, claims: dict[str, Any]) -> str:
        """An id_token by its own key."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    async def discovery(self, _: web.Request) -> web.Response:
        """What it says of itself."""
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return web.json_response(
            {"issuer": self.issuer, **{name: f"{self.issuer}/{place}" for name, place in places.items()}}
        )

    async def keys(self, _: web.Request) -> web.Response:
        """Its public key."""
        self.key_fetches += 1
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: web.Request) -> web.Response:
        """The person is logged in there already: the browser goes back with a code."""
        query = request.query
        assert (query["client_id"], query["response_type"], query["code_challenge_method"]) == (CLIENT, "code", "S256")
        code = secrets.token_urlsafe(16)
        self.codes[code] = Given(dict(query))
        back = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
        return web.Response(status=302, headers={"Location": f"{query['redirect_uri']}?{back}"})

    async def token(self, request: web.Request) -> web.Response:
        """A code once, for the client that knows its secret and the verifier of the code's challenge."""
        form = await request.post()
        pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        if pair != f"{CLIENT}:{SECRET.replace(' ', '%20')}":
            return web.json_response({"error": "invalid_client"}, status=401)
        given = self.codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if given is None or given.query["code_challenge"] != challenge:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if form["redirect_uri"] != given.query["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": given.query["nonce"]}
        claims |= self.person | self.lies
        made = {name: value for name, value in claims.items() if value is not None}
        return web.json_response({"id_token": (self.signer or self.sign)(made), "token_type": "Bearer"})


def new_key(kid: str) -> RSAKey:
    """A key of its own under a name."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@contextlib.asynccontextmanager
async def oidc_provider() -> AsyncIterator[OidcProvider]:
    """Serve one on a free port."""
    provider = OidcProvider()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/keys", provider.keys)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    async with TestServer(app) as server:
        provider.issuer = f"http://127.0.0.1:{server.port}"
        yield provider
