"""`wattline intake` as a process with a real database: what is taken, and what is refused and how."""

import asyncio
import contextlib
import gzip
import hashlib
import hmac
import json
import os
import re
import ssl
import sys
import textwrap
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.sources.store import source_states
from store.pool import open_pool
from tests.rigs.certificates import Authority
from tests.rigs.gateway import gateway, gateway_settings
from tests.rigs.hooks import WORD, Intake, add_source, intake, post, signed
from tests.rigs.ingesting import table
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

BODY = b'{"meter": "A1", "kwh": 12.5}'
_TOLD = """
SELECT substr(d.name, 8), substr(e.event, 14), e.detail ->> 'word' FROM event e JOIN device d ON d.id = e.device_id
WHERE e.event LIKE 'source_posts%' ORDER BY 1, 2, 3
"""
_NEWEST = """
SELECT e.received_at, e.detail ->> 'reason' FROM event e JOIN device d ON d.id = e.device_id
WHERE d.name = 'source-small' ORDER BY e.received_at DESC LIMIT 1
"""


@contextlib.asynccontextmanager
async def serving(database: Database, folder: Path, **changes: str) -> AsyncIterator[tuple[Intake, Any]]:
    async with intake(database, folder, **changes) as one, aiohttp.ClientSession() as http:
        yield one, http


async def known(one: Intake, database: Database, name: str, document: dict[str, Any], word: str = WORD) -> str:
    """Enter a source, and wait until the intake knows it; its URL."""

    async def usable() -> bool:
        return (await one.metrics())['wattline_intake_sources{state="usable"}'] > before

    before = (await one.metrics())['wattline_intake_sources{state="usable"}']
    await add_source(database.dsn(), one.keys, name, document, word)
    await until(usable, f"{name} is known")
    return f"{one.url}/hooks/{name}"


async def test_what_is_taken_is_in_the_table(database: Database, tmp_path: Path) -> None:
    """As it was sent but for its compression, once whatever is repeated, with its id, by each form of proof."""
    async with serving(database, tmp_path) as (one, http), table(database) as asked:
        url = f"{one.url}/hooks/head-end"
        status, first, _ = await post(http, url, BODY, signed(BODY, "k1") | {"Content-Type": "application/json"})
        assert (status, first["repeated"]) == (202, False)
        status, again, _ = await post(http, url, BODY, signed(BODY, "k1"))
        assert (status, again) == (202, {"id": first["id"], "repeated": True})
        zipped = gzip.compress(BODY * 1000)
        status, _, _ = await post(http, url, zipped, signed(zipped, "k2") | {"Content-Encoding": "gzip"})
        assert status == 202

        url = await known(one, database, "tok", {"auth": "bearer"}, "a-token-of-a-cloud")
        bearer = {"Authorization": "Bearer a-token-of-a-cloud"}
        assert (await post(http, url, BODY, bearer))[0] == 202
        assert (await post(http, url, BODY, bearer))[1]["repeated"], "by the digest of its body"
        async with http.put(url, data=b"at;kwh\n", headers=bearer | {"Content-Type": "text/csv"}) as got:
            assert got.status == 202, "a file is put"
        chunked = aiohttp.payload.AsyncIterablePayload(parts(b"x" * 70_000, b"y" * 70_000))
        assert (await post(http, url, chunked, bearer | {"Idempotency-Key": '"k3"'}))[0] == 202  # type: ignore[arg-type]
        async with http.post(url, data=b"e" * 3_000, headers=bearer, expect100=True) as got:
            assert got.status == 202, "who asks before sending is told to go on"

        url = await known(one, database, "hub", {"signature_style": "github"}, "s3cret")
        by_hub = {"X-Hub-Signature-256": "sha256=" + hmac.digest(b"s3cret", BODY, "sha256").hex()}
        assert (await post(http, url, BODY, by_hub))[0] == 202
        rows = await asked.rows("SELECT source, key, content_type, octet_length(body), state FROM payload ORDER BY id")
        digest = hashlib.sha256
        assert rows == [
            ("head-end", "k1", "application/json", len(BODY), "waiting"),
            ("head-end", "k2", "application/octet-stream", len(BODY) * 1000, "waiting"),
            ("tok", digest(BODY).hexdigest(), "application/octet-stream", len(BODY), "waiting"),
            ("tok", digest(b"at;kwh\n").hexdigest(), "text/csv", 7, "waiting"),
            ("tok", "k3", "application/octet-stream", 140_000, "waiting"),
            ("tok", digest(b"e" * 3000).hexdigest(), "application/octet-stream", 3000, "waiting"),
            ("hub", digest(BODY).hexdigest(), "application/octet-stream", len(BODY), "waiting"),
        ]
        found = await one.metrics()
        assert found["wattline_intake_accepted_total"] == 7
        assert found["wattline_intake_repeated_total"] == 2
        assert found["wattline_intake_post_seconds_count"] == 9
        assert 0 <= found["wattline_intake_load"] <= 1
        assert await one.end() == 0


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for one in given:
        yield one


async def test_the_lines_of_the_docs_work(broker: Broker, database: Database, tmp_path: Path) -> None:
    """INTEGRATIONS.md's webhooks and imports, pasted at once: what is sent ends as readings of its source."""
    async with (
        intake(database, tmp_path, SOURCES_EVERY_S="600") as one,
        table(database) as asked,
        gateway(gateway_settings(broker, database, meter_keys_file=tmp_path / "master-keys")) as running,
        working(worker_settings(database, mapping_poll_s=0.1)),
    ):

        async def paste(*blocks: str) -> str:
            script = "\n".join(blocks).replace("http://127.0.0.1:8085", one.url).replace("systemctl", ": systemctl")
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            shell = await asyncio.create_subprocess_exec(
                "bash", "-euc", script, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                env={"PATH": path, "HOME": str(tmp_path), "WATTLINE_URL": running.url},
            )  # fmt: skip
            out = (await shell.communicate())[0].decode()
            assert shell.returncode == 0, out
            return out

        async def stored(source: str) -> list[tuple[Any, ...]]:
            found = await asked.rows(
                "SELECT d.name, m.key, r.value FROM reading r JOIN series s ON s.id = r.series_id"
                " JOIN meter m ON m.id = s.meter_id JOIN device d ON d.id = m.device_id"
            )
            return [tuple(row) for device, *row in found if device == f"source-{source}"]

        hooks, files = _blocks("Webhooks in"), _blocks("Imports and exports")
        out = await paste(*hooks)
        assert len(re.findall('{"id": [0-9]+, "repeated": false}', out)) == 2, out
        await until_equal(lambda: stored("hooked"), [("ACME:A1", 12.5)])
        await paste(files[0])
        await until_equal(lambda: stored("old-system"), [("ACME:B7", 12.5)])
        await paste(*files[1:])
        assert ",ACME:B7," in (tmp_path / "old-again.csv").read_text()


def _blocks(section: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "INTEGRATIONS.md").read_text()
    found = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [textwrap.dedent(one) for one in re.findall(r"((?:^    .+\n)+)", found + "\n", re.MULTILINE)]


async def test_each_refusal_says_why_and_keeps_nothing(database: Database, tmp_path: Path) -> None:
    """With the status, the field and the fix, counted by reason; nothing of it is in the table but an event of each."""
    async with serving(database, tmp_path) as (one, http), table(database) as asked:
        url = f"{one.url}/hooks/head-end"
        small = await known(one, database, "small", {"max_bytes": 100, "content_types": ["application/json"]})
        bomb, half, now_s = gzip.compress(bytes(10**7)), gzip.compress(BODY)[:-9], time.time()
        as_gzip, as_json = {"Content-Encoding": "gzip"}, {"Content-Type": "application/json"}
        cases: list[tuple[str, bytes, dict[str, str], int, str, str]] = [
            (url, BODY, {}, 401, "unproved", "webhook-signature"),
            (url, BODY + b" ", signed(BODY), 401, "unproved", "webhook-signature"),
            (url, BODY, signed(BODY, word="whsec_AAAA"), 401, "unproved", "webhook-signature"),
            (url, BODY, signed(BODY, at_s=now_s - 3600), 401, "replayed", "webhook-timestamp"),
            (f"{one.url}/hooks/nobody", BODY, signed(BODY), 404, "unknown", "source"),
            (f"{one.url}/hooks/", BODY, signed(BODY), 404, "unknown", "source"),
            (f"{one.url}/other", BODY, {}, 404, "unknown", "path"),
            (url, b"", signed(b""), 422, "damaged", "body"),
            (url, half, signed(half) | as_gzip, 400, "damaged", "body"),
            (url, bomb, signed(bomb) | as_gzip, 413, "too_large", "body"),
            (url, bytes(2**20 + 1), signed(BODY), 413, "too_large", "body"),
            (small, bytes(101), signed(bytes(101)) | as_json, 413, "too_large", "body"),
            (small, BODY, signed(BODY) | {"Content-Type": "text/csv"}, 415, "content_type", "Content-Type"),
            (url, BODY, signed(BODY) | {"Content-Encoding": "br"}, 415, "encoding", "Content-Encoding"),
            (url, BODY, signed(BODY) | {"Idempotency-Key": "x" * 256}, 422, "key", "Idempotency-Key"),
        ]
        expected: dict[str, int] = {}
        for to, body, headers, status, reason, field in cases:
            found, document, answered = await post(http, to, body, headers)
            assert (found, document["status"], document["field"]) == (status, status, field), document
            assert document["errors"][0]["reason"]
            assert answered["Content-Type"] == "application/problem+json"
            assert answered["Server"] == "Wattline"
            expected[reason] = expected.get(reason, 0) + 1
        async with http.get(url) as got:
            assert (got.status, got.headers["Allow"]) == (405, "POST, PUT")
        counted = await one.metrics()
        assert {key: counted[f'wattline_intake_refused_total{{reason="{key}"}}'] for key in expected} == expected
        assert await asked.value("SELECT count(*) FROM payload") == 0
        told = [
            # a signature over what is too large nobody has looked at
            *(("head-end", "refused", word) for word in ("damaged", "key", "replayed", "too_large")),
            *(("head-end", "unproved", word) for word in ("encoding", "too_large", "unproved")),
            ("small", "refused", "content_type"),
            ("small", "unproved", "too_large"),
        ]
        await until_equal(lambda: asked.rows(_TOLD), told)
        refused_at, why = (await asked.rows(_NEWEST))[0]
        async with open_pool(database.dsn("wattline_gateway"), min_size=1, max_size=1, application_name="test") as pool:
            (state,) = await source_states(pool, "small")
            assert (state.refused_at, state.refused) == (refused_at, why)
        assert (await post(http, url, BODY, signed(BODY)))[0] == 202, "and what is right is taken as before"


async def test_a_stranger_s_posts_are_no_fault_of_a_source(database: Database, tmp_path: Path) -> None:
    """What proved nothing is a figure of its own, for signatures and for tokens; what proved itself is a fault."""
    async with serving(database, tmp_path) as (one, http), table(database) as asked:
        limits = {"max_bytes": 100, "content_types": ["application/json"]}
        by_token = await known(one, database, "token", {"auth": "bearer", **limits}, "secret" * 6)
        by_name = await known(one, database, "name", limits)
        bearer, as_csv = {"Authorization": f"Bearer {'secret' * 6}"}, {"Content-Type": "text/csv"}
        for url in (by_token, by_name):
            assert (await post(http, url, BODY, {"Authorization": "Bearer guessed"}))[0] == 401
        assert (await post(http, by_name, bytes(101), signed(bytes(101))))[0] == 413
        assert (await one.metrics())["wattline_intake_unproved_total"] == 3
        told = [("name", "unproved", "too_large"), ("name", "unproved", "unproved"), ("token", "unproved", "unproved")]
        await until_equal(lambda: asked.rows(_TOLD), told)
        async with open_pool(database.dsn("wattline_gateway"), min_size=1, max_size=1, application_name="test") as pool:

            async def standing() -> list[tuple[Any, ...]]:
                found = [one for one in await source_states(pool, None) if one.name in ("name", "token")]
                return [(one.refused, one.unproved_posts, one.unproved_at is None) for one in found]

            assert await standing() == [(None, 2, False), (None, 1, False)]
            assert (await post(http, by_name, BODY, signed(BODY) | as_csv))[0] == 415
            # a token is proved before anything of the body is read
            assert (await post(http, by_token, bytes(101), bearer))[0] == 413
            await until_equal(lambda: asked.value("SELECT count(*) FROM event WHERE event = 'source_posts_refused'"), 2)
            assert [refused is None for refused, _, _ in await standing()] == [False, False]
            assert (await one.metrics())["wattline_intake_unproved_total"] == 3


async def test_who_guesses_is_soon_not_judged_any_more(database: Database, tmp_path: Path) -> None:
    """After twenty wrong ones an address is told to wait, with a right one, too; at other sources it is not."""
    async with serving(database, tmp_path) as (one, http):
        url = f"{one.url}/hooks/head-end"
        other = await known(one, database, "other", {})
        assert 429 in [(await post(http, f"{one.url}/hooks/nobody", BODY, {}))[0] for _ in range(60)]
        statuses = [(await post(http, url, BODY, signed(BODY + b"x")))[0] for _ in range(60)]
        assert statuses[:20] == [401] * 20
        assert 429 in statuses
        status, document, headers = await post(http, url, BODY, signed(BODY))
        while status == 202:
            # a second has passed meanwhile
            await post(http, url, BODY, signed(BODY + b"x"))
            status, document, headers = await post(http, url, BODY, signed(BODY))
        assert (status, document["status"]) == (429, 429)
        assert int(headers["Retry-After"]) >= 1
        assert (await post(http, other, BODY, signed(BODY)))[0] == 202


async def test_a_source_is_held_to_its_rate(database: Database, tmp_path: Path) -> None:
    """429 with Retry-After beyond it, in posts or in bytes; another source's posts are taken meanwhile."""
    async with serving(database, tmp_path) as (one, http):
        slow = await known(one, database, "slow", {"posts_per_second": 0.01, "burst": 3})
        answers = [await post(http, slow, BODY, signed(BODY)) for _ in range(5)]
        assert [status for status, _, _ in answers] == [202, 202, 202, 429, 429]
        assert 50 < int(answers[3][2]["Retry-After"]) <= 100
        assert (await post(http, f"{one.url}/hooks/head-end", BODY, signed(BODY)))[0] == 202
        # what a rate had left stays as it was while others change
        await known(one, database, "other", {})
        assert (await post(http, slow, BODY, signed(BODY)))[0] == 429


async def test_sources_that_change_go_or_are_of_no_use(database: Database, tmp_path: Path) -> None:
    """A new secret holds beside the one before within a moment; a source without a usable secret says so."""
    async with serving(database, tmp_path) as (one, http), table(database) as asked:
        url, new = f"{one.url}/hooks/head-end", "whsec_" + "QUFB" * 8
        await add_source(database.dsn(), one.keys, "head-end", {}, new, before=WORD)

        async def status(word: str) -> int:
            return (await post(http, url, BODY, signed(BODY, word=word)))[0]

        await until(lambda: _is(status(new), 202))
        assert await status(WORD) == 202
        await asked.execute("UPDATE source SET secret = 'x'::bytea")
        await until(lambda: _is(status(new), 503))
        assert "head-end" in (await post(http, url, BODY, signed(BODY)))[1]["detail"]
        await until(lambda: "source_unusable" in one.log)
        await asked.execute("UPDATE source SET enabled = false")
        await until(lambda: _is(status(new), 404))


async def test_a_post_may_follow_its_source_s_change_at_once(database: Database, tmp_path: Path) -> None:
    """What is unknown, unusable or not proved is looked for once more first, however rarely the sources are read."""
    async with serving(database, tmp_path, SOURCES_EVERY_S="600") as (one, http), table(database) as asked:
        await until(lambda: _logged(one, "sources_known"))
        url = f"{one.url}/hooks/hooked"
        await add_source(database.dsn(), one.keys, "hooked", {})
        await asked.execute("UPDATE source SET secret = NULL, master = NULL WHERE name = 'hooked'")
        status, document, _ = await post(http, url, BODY, signed(BODY))
        assert (status, document["errors"][0]["reason"]) == (503, "hooked can't be used: it has no secret")
        assert "wattline source secret" in document["errors"][0]["fix"]
        for auth, word in (("hmac", WORD), ("hmac", "whsec_" + "QUFB" * 8), ("bearer", "t0ken"), ("hmac", WORD)):
            await add_source(database.dsn(), one.keys, "hooked", {"auth": auth}, word)
            proof = signed(BODY, word=word) if auth == "hmac" else {"Authorization": f"Bearer {word}"}
            assert (await post(http, url, BODY, proof))[0] == 202, (auth, word)
        assert (await post(http, url, BODY, signed(BODY, word="whsec_AAAA")))[0] == 401
        assert (await post(http, url, BODY, {"Authorization": "Bearer t0ken"}))[0] == 401


async def _logged(one: Intake, event: str) -> bool:
    return event in one.log


async def _is(asked: Any, wanted: int) -> bool:
    return bool(await asked == wanted)


async def test_slow_senders_are_bounded_in_time(database: Database, tmp_path: Path) -> None:
    """A head that does not end is cut off, a body that does not is told so; both harm nobody else."""
    async with serving(database, tmp_path, HEAD_TIMEOUT_S="1", BODY_TIMEOUT_S="0.5") as (one, http):
        dripping = [await asyncio.open_connection("127.0.0.1", one.port) for _ in range(50)]
        for _, writer in dripping:
            writer.write(b"POST /hooks/head-end HTTP/1.1\r\nHost: x\r\nX-")
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(b"POST /hooks/head-end HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert (await post(http, f"{one.url}/hooks/head-end", BODY, signed(BODY)))[0] == 202
        async with asyncio.timeout(60):
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 408")
            assert b'"field": "body"' in answer
            for each, _ in dripping:
                assert await each.read() == b""
        for _, each_writer in [*dripping, (reader, writer)]:
            each_writer.close()


async def test_tls_and_the_certificate_of_a_sender(database: Database, tmp_path: Path) -> None:
    """A sender proves itself by its certificate's name; another one's, or none, is refused; plain HTTP is none."""
    authority = Authority(tmp_path / "ca")
    server, right, wrong = (authority.issue(name) for name in ("localhost", "cloud.example", "other.example"))
    changes = {
        "TLS__CERTIFICATE": str(server.certificate),
        "TLS__KEY": str(server.key),
        "TLS__CLIENT_CA": str(authority.certificate),
    }
    async with serving(database, tmp_path, **changes) as (one, http):
        url = await known(one, database, "certified", {"auth": "mtls", "client_name": "cloud.example"})
        statuses = []
        for pair in (right, wrong, None):
            context = ssl.create_default_context(cafile=str(authority.certificate))
            if pair is not None:
                context.load_cert_chain(pair.certificate, pair.key)
            statuses.append((await post(http, url, BODY, {}, ssl=context, server_hostname="localhost"))[0])
        assert statuses == [202, 403, 401]
        with pytest.raises(aiohttp.ClientError):
            await post(http, url.replace("https:", "http:"), BODY)


async def test_what_a_proxy_says_is_believed_of_those_that_are_named(database: Database, tmp_path: Path) -> None:
    """The certificate's subject in its header, and the address that is counted."""
    changes = {"PROXIES": "127.0.0.1", "CLIENT_NAME_HEADER": "X-Client-Subject"}
    async with serving(database, tmp_path, **changes) as (one, http):
        url = await known(one, database, "certified", {"auth": "mtls", "client_name": "cloud.example"})
        assert (await post(http, url, BODY, {"X-Client-Subject": "O=Cloud,CN=cloud.example"}))[0] == 202
        assert (await post(http, url, BODY, {"X-Client-Subject": "other.example"}))[0] == 403
        guesser = {"X-Forwarded-For": "203.0.113.9", "X-Client-Subject": "no"}
        statuses = [(await post(http, url, BODY, guesser))[0] for _ in range(40)]
        assert statuses[-1] == 429
        assert (await post(http, url, BODY, {"X-Client-Subject": "CN=cloud.example"}))[0] == 202, "another address"


async def test_a_stop_answers_what_it_took(database: Database, tmp_path: Path) -> None:
    """SIGTERM amid posts: each has 202 or no answer at all, and each 202 is in the table."""
    async with serving(database, tmp_path) as (one, http), table(database) as asked:

        async def send(number: int) -> int | None:
            body = json.dumps({"number": number}).encode()
            try:
                status, document, _ = await post(http, f"{one.url}/hooks/head-end", body, signed(body, f"k{number}"))
            except aiohttp.ClientError:
                return None
            return int(document["id"]) if status == 202 else None

        sending = [asyncio.ensure_future(send(number)) for number in range(300)]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        assert await one.end() == 0
        said = {number for number in await asyncio.gather(*sending) if number is not None}
        assert said
        assert said <= {number for (number,) in await asked.rows("SELECT id FROM payload")}
        assert "intake_stopped" in one.log


async def test_many_large_bodies_are_bounded_in_memory(database: Database, tmp_path: Path) -> None:
    """Beyond the room for bodies that are being read a sender is told to come again."""
    async with serving(database, tmp_path, READING_MIB="1") as (one, http):
        url = await known(one, database, "large", {"max_bytes": 2**22})
        body = zlib.compress(bytes(10))
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(b"POST /hooks/large HTTP/1.1\r\nHost: x\r\nContent-Length: 1500000\r\n\r\n" + bytes(700_000))
        await until_equal(lambda: _reads(one), wanted=True)
        status, document, headers = await post(http, url, bytes(900_000), signed(body))
        assert (status, document["status"]) == (429, 429)
        assert "Retry-After" in headers
        writer.close()
        assert reader


async def _reads(one: Intake) -> bool:
    return (await one.metrics())["wattline_intake_reading_bytes"] > 500_000
