"""The gateway over TLS by files, and behind a proxy: what browsers are told, and whom limits and audit mean."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from tests.rigs.access import ROOT, ask
from tests.rigs.gateway import gateway, gateway_settings, rows
from tests.rigs.self_signed import made
from tests.rigs.servers import Broker, Database

LOGIN: dict[str, Any] = {"data": {"token": ROOT}, "allow_redirects": False}


def listed(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`wattline device list` as a laptop runs it."""
    command = [Path(sys.executable).with_name("wattline"), "device", "--url", url, "list"]
    given = {**os.environ, "WATTLINE_TOKEN": ROOT, **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)


async def test_over_tls_browsers_stay_there(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Cookies go over TLS only, HSTS keeps browsers there, the command line trusts one's own CA, plain is closed."""
    pair = await asyncio.to_thread(made, tmp_path)
    tls = {"certificate": pair.certificate, "key": pair.key}
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT), tls=tls)) as running:
        assert running.url.startswith("https://")
        status, _, headers = await ask(running, "GET", "/devices", ROOT)
        assert (status, headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
        async with running.http.post(f"{running.url}/login", **LOGIN) as response:
            assert response.status == 303
            assert "; Secure" in response.headers["Set-Cookie"]
            assert "Strict-Transport-Security" in response.headers
        async with aiohttp.ClientSession() as plain:
            with pytest.raises(aiohttp.ClientError):
                await plain.get(running.url.replace("https", "http"))
        known = await asyncio.to_thread(listed, running.url, SSL_CERT_FILE=str(pair.certificate))
        assert known.returncode == 0, known.stderr
        strange = await asyncio.to_thread(listed, running.url)
        assert strange.returncode != 0
        assert "certificate" in strange.stderr


async def test_others_get_tls_by_the_gateway_s_own_authority(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Who has no certificate needs none: the console is open to others over TLS alone, and they trust root.pem."""
    folder = tmp_path / "ca"
    enrolment = {"host": "127.0.0.1", "port": 0, "names": "wattline.example"}
    settings = gateway_settings(
        broker, database, api_token=SecretStr(ROOT), http_host="0.0.0.0", ca={"folder": folder}, enrolment=enrolment
    )
    async with gateway(settings) as running:
        assert (await ask(running, "GET", "/devices", ROOT))[0] == 200
        known = await asyncio.to_thread(listed, running.url, SSL_CERT_FILE=str(folder / "root.pem"))
        assert known.returncode == 0, known.stderr
        async with aiohttp.ClientSession() as plain:
            with pytest.raises(aiohttp.ClientError):
                await plain.get(running.url.replace("https", "http"))


async def test_only_a_proxy_of_ours_says_who_asks(broker: Broker, database: Database) -> None:
    """From others the headers are nothing: no cookie is Secure, no HSTS, and the audit has the true address."""
    told = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    for proxies, address, secure in (("10.9.9.9", "127.0.0.1", False), ("127.0.0.0/8", "192.0.2.7", True)):
        settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), proxies=proxies)
        async with gateway(settings) as running:
            async with running.http.post(f"{running.url}/login", headers=told, **LOGIN) as response:
                assert ("; Secure" in response.headers["Set-Cookie"]) is secure
                assert ("Strict-Transport-Security" in response.headers) is secure
        (*_, last) = await rows(database, "SELECT address FROM audit WHERE action = 'login' ORDER BY id")
        assert last["address"] == address


async def test_guesses_behind_a_proxy_are_those_of_one_client(broker: Broker, database: Database) -> None:
    """Who guesses through the proxy is stopped, with whatever addresses it makes up; others behind it are not."""
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), proxies="127.0.0.1")
    async with gateway(settings) as running:

        async def guess(number: int, client: str) -> int:
            forwarded = {"X-Forwarded-For": f"198.51.100.{number}, {client}"}
            return (await ask(running, "GET", "/me", f"guess-{number}", headers=forwarded))[0]

        tried = [await guess(number, "192.0.2.7") for number in range(30)]
        assert tried[:20] == [401] * 20
        assert 429 in tried[20:]
        assert await guess(0, "192.0.2.8") == 401
        network = [await guess(number, f"2001:db8:0:1::{number:x}") for number in range(30)]
        assert 429 in network, "one customer of IPv6 has more addresses than guesses"
        assert await guess(0, "2001:db8:0:2::1") == 401
