"""A provider of OpenID Connect over HTTP: its discovery document, its keys, and a code made into claims."""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.oidc import ALGORITHMS, OidcError, OidcSettings, check_claims, is_safe

TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
MAX_BYTES: Final = 1024 * 1024
KEPT_S: Final = 3600.0
"""How long a discovery document and keys are believed."""


@dataclass(frozen=True, slots=True)
class Login:
    """What one browser's login is bound to, from its beginning to its end: all random."""

    state: str
    nonce: str
    verifier: str


@dataclass(slots=True)
class _Fetched:
    """A document of the provider's with when it came, on the monotonic clock."""

    document: Mapping[str, Any]
    at_s: float


class Provider:
    """Talks to the provider that is set; what it answers is believed only after its signature."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._discovered: _Fetched | None = None
        self._keys: _Fetched | None = None

    async def address(self, login: Login) -> str:
        """Where the browser logs in: Authorization Code with PKCE (RFC 7636). Raises OidcError."""
        document = await self._discovery()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(login.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self._settings.client_id, "scope": self._settings.scopes,
            "redirect_uri": self._settings.redirect_uri, "state": login.state, "nonce": login.nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        endpoint = str(document["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def claims(self, code: str, login: Login) -> Mapping[str, Any]:
        """Who logged in, for a code that the browser brought. Raises OidcError."""
        document = await self._discovery()
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._settings.redirect_uri,
            "code_verifier": login.verifier, "client_id": self._settings.client_id,
        }  # fmt: skip
        headers = {}
        if secret := self._settings.client_secret:
            if "client_secret_basic" in document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
                pair = f"{quote(self._settings.client_id, safe='')}:{quote(secret.get_secret_value(), safe='')}"
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            else:
                form["client_secret"] = secret.get_secret_value()
        answer = await _fetch("POST", str(document["token_endpoint"]), form, headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OidcError("the provider gave no id_token")
        claims = await self._verified(token)
        check_claims(claims, self._settings, login.nonce, time.time())
        return claims

    async def _verified(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that the provider signed; where none of the keys fits, they are fetched anew once."""
        for anew in (False, True):
            keys = await self._key_set(anew=anew)
            try:
                known = KeySet.import_key_set({"keys": list(keys)})
                return jwt.decode(token, known, algorithms=list(ALGORITHMS)).claims
            except (JoseError, ValueError, TypeError) as error:
                failed = error
        raise OidcError(f"the token's signature is not the provider's ({type(failed).__name__})") from failed

    async def _discovery(self) -> Mapping[str, Any]:
        if self._discovered is None or time.monotonic() - self._discovered.at_s > KEPT_S:
            where = (self._settings.issuer or "").rstrip("/") + "/.well-known/openid-configuration"
            document = await _fetch("GET", where)
            if document.get("issuer") != self._settings.issuer:
                raise OidcError("the provider calls itself otherwise than OIDC__ISSUER does")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not is_safe(str(document.get(name, ""))):
                    raise OidcError(f"the provider names no safe {name}")
            self._discovered = _Fetched(document, time.monotonic())
        return self._discovered.document

    async def _key_set(self, *, anew: bool) -> list[Any]:
        since_s = float("inf") if self._keys is None else time.monotonic() - self._keys.at_s
        if self._keys is None or anew or since_s > KEPT_S:
            document = await self._discovery()
            self._keys = _Fetched(await _fetch("GET", str(document["jwks_uri"])), time.monotonic())
        keys = self._keys.document.get("keys")
        if not isinstance(keys, list):
            raise OidcError("the provider's keys can't be read")
        # a key of ours alone, which both know, must never make a signature
        return [key for key in keys if isinstance(key, dict) and key.get("kty") != "oct"]


async def _fetch(
    method: str, where: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> Mapping[str, Any]:
    """A JSON object of the provider's. Raises OidcError."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as http,
            http.request(method, where, data=form, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise OidcError(f"the provider answers {response.status}")
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > MAX_BYTES:
                    raise OidcError("the provider's answer has no end")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise OidcError(f"the provider can't be reached ({type(error).__name__})") from error
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OidcError("the provider answers no JSON") from error
    if not isinstance(document, dict):
        raise OidcError("the provider answers no JSON object")
    return document
