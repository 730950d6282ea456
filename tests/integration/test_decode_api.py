"""POST /api/v1/decode on a real gateway: what pasted bytes mean, what is wrong with a request, and its bounds."""

import asyncio
import base64
import threading
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from gateway.api.gate import AT_ONCE, BURST, Gate
from gateway.faults import Kind, Refusal
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1
from tests.rigs.gateway import Gateway, connection, gateway, gateway_settings
from tests.rigs.servers import Broker, Database

P1 = encode_p1("ISk5\\2MT382-1000", ["1-3:0.2.8(50)", "1-0:1.8.1(000004.426*kWh)", "1-0:32.7.0(0230.0*V)"])
BAD = P1.replace(b"4.426", b"4.427")
OWN = {
    "name": "mine",
    "version": 7,
    "product": {"name": "Mine"},
    "match": {"protocol": "p1"},
    "source": ["test"],
    "points": [{"obis": "1-0:32.7.0", "unit": "V", "scale": "2"}],
}
KEYS = {
    "telegram",
    "protocol",
    "identification",
    "spec",
    "at",
    "values",
    "meters",
    "error",
    "profile",
    "explain",
    "note",
    "implausible",
}


async def post(running: Gateway, **more: Any) -> tuple[int, dict[str, Any]]:
    async with running.http.post(f"{running.url}/api/v1/decode", **more) as response:
        return response.status, await response.json(content_type=None)


async def test_bytes_in_any_form_give_the_same_answer(broker: Broker, database: Database) -> None:
    """JSON with hex, text or base64, and the body itself as bytes or as a dump."""
    async with gateway(gateway_settings(broker, database)) as running:
        forms: list[dict[str, Any]] = [
            {"json": {"hex": P1.hex(" ")}},
            {"json": {"text": P1.decode()}},
            {"json": {"base64": base64.b64encode(P1).decode()}},
            {"data": P1},
            {"data": P1.hex().encode(), "headers": {"Content-Type": "text/plain"}},
            {"data": b'{"hex": "' + P1.hex().encode() + b'"}', "headers": {"Content-Type": "text/plain"}},
        ]
        for form in forms:
            status, answer = await post(running, **form)
            assert status == 200, answer
            (line,) = answer["telegrams"]
            assert line.keys() == KEYS
            assert (line["error"], line["spec"]) == (None, "iskra-mt382@1")
            assert line["values"] == {"1-0:1.8.1": 4.426, "1-0:32.7.0": 230}
            assert [one["spec"] for one in line["explain"]["candidates"]] == ["iskra-mt382@1", "generic-p1@1"]
            assert line["explain"]["walk"][1]["records"][0]["became"] == "reading 1-0:1.8.1 = 4.426 kWh"
            assert answer["summary"] == {"telegrams": 1, "decoded": 1, "undecoded": 0, "bytes_skipped": 0}


async def test_answers_follow_the_openapi_document(broker: Broker, database: Database) -> None:
    """Of a good telegram, a bad one and noise; the document describes the JSON body."""
    async with gateway(gateway_settings(broker, database)) as running:
        document = await running.get("/openapi.json")
        operation = document["paths"]["/api/v1/decode"]["post"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        for data in (P1, BAD, bytes(400)):
            status, answer = await post(running, data=data)
            assert status == 200
            Draft202012Validator({**schema, "components": document["components"]}).validate(answer)
        assert "application/json" in operation["requestBody"]["content"]


async def test_a_failure_names_byte_check_and_cause(broker: Broker, database: Database) -> None:
    """And nothing that could be taken for a reading stands outside `explain`; nothing is stored."""
    async with gateway(gateway_settings(broker, database)) as running:
        _, answer = await post(running, data=BAD)
        (line,) = answer["telegrams"]
        explain = line["explain"]
        assert (line["values"], explain["trusted"], explain["fault"]["reason"]) == ({}, False, "crc_mismatch")
        assert explain["fault"]["offset"] == BAD.index(b"4.427") + 4
        assert explain["checks"][0]["stated"] == P1[-6:-2].decode()
        assert explain["hints"][0]["cause"] == "bit_flip"
        assert explain["as_read"]["1-0:1.8.1"] == 4.427
        bare = encode_iec62056(["0.0(12345678)", "1.8.0(000123.4*kWh)"])[1:-2]
        (line,) = (await post(running, data=bare))[1]["telegrams"]
        assert line["error"].startswith("unframed: ")
        assert (line["values"], line["explain"]["as_read"]) == ({}, {"1-0:1.8.0": 123.4})
        answer = (await post(running, data=bytes(400)))[1]
        assert (answer["telegrams"], answer["explain"]["hints"][0]["cause"]) == ([], "idle_line")
        async with connection(database) as opened:
            assert await opened.fetchval("SELECT (SELECT count(*) FROM frame) + (SELECT count(*) FROM reading)") == 0


async def test_what_an_ingestor_would_refuse_is_named_by_its_field(broker: Broker, database: Database) -> None:
    """A voltage that is none stands in `values` as the bytes have it, and in `implausible` with its bounds."""
    wrong = encode_p1("ISk5\\2MT382-1000", ["1-3:0.2.8(50)", "1-0:1.8.1(000004.426*kWh)", "1-0:32.7.0(9999999.0*V)"])
    async with gateway(gateway_settings(broker, database)) as running:
        _, answer = await post(running, data=wrong)
        (line,) = answer["telegrams"]
        assert line["values"]["1-0:32.7.0"] == 9999999
        assert line["implausible"] == [{"field": "values.1-0:32.7.0", "value": 9999999, "low": -1e6, "high": 1e6}]
        (good,) = (await post(running, data=P1))[1]["telegrams"]
        assert good["implausible"] == []


async def test_a_spec_can_be_named_or_sent(broker: Broker, database: Database) -> None:
    """By name, with a version, and as a document that nobody has published."""
    async with gateway(gateway_settings(broker, database)) as running:
        for spec, values in (
            ("generic-p1", {"1-0:1.8.1": 4.426, "1-0:32.7.0": 230}),
            ("generic-p1@1", {"1-0:1.8.1": 4.426, "1-0:32.7.0": 230}),
            (OWN, {"1-0:32.7.0": 460}),
        ):
            status, answer = await post(running, json={"hex": P1.hex(), "spec": spec, "protocol": "p1"})
            assert (status, answer["telegrams"][0]["values"]) == (200, values)
        status, answer = await post(running, data=P1, params={"spec": "generic-p1", "walk": "false"})
        assert answer["telegrams"][0]["spec"] == "generic-p1@1"
        assert answer["telegrams"][0]["explain"]["walk"] == []


SLIPS: list[tuple[dict[str, Any], int, str]] = [
    ({"json": {"hex": "1b1"}}, 422, "hex"),
    ({"json": {"hex": "zz"}}, 422, "hex"),
    ({"json": {"base64": "a"}}, 422, "base64"),
    ({"json": {}}, 422, "body"),
    ({"json": {"hex": "00", "text": "x"}}, 422, "body"),
    ({"json": {"hex": "00", "protocol": "wmbus"}}, 422, "protocol"),
    ({"json": {"hex": "00", "spec": "none@1"}}, 422, "spec"),
    ({"json": {"hex": "00", "bytes": "x"}}, 422, "bytes"),
    ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, "body"),
    ({"data": b""}, 422, "body"),
    ({"data": b"x", "params": {"protocol": "wmbus"}}, 422, "protocol"),
    ({"data": b"x" * 300_000}, 413, "body"),
]


async def test_slips_name_their_field(broker: Broker, database: Database) -> None:
    """Problem+json with the field and what is wanted; a body beyond 256 KiB is not read."""
    async with gateway(gateway_settings(broker, database)) as running:
        for form, status, field in SLIPS:
            got, answer = await post(running, **form)
            assert (got, answer["errors"][0]["field"].split(".")[0]) == (status, field), form
            assert answer["errors"][0]["reason"]


async def test_the_token_is_asked_for(broker: Broker, database: Database) -> None:
    """As for all of the API."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr("s3cret-of-a-gateway-test"))) as running:
        assert (await post(running, data=P1))[0] == 401
        assert (await post(running, data=P1, headers={"Authorization": "Bearer s3cret-of-a-gateway-test"}))[0] == 200


async def test_too_many_are_turned_away_and_others_are_served(broker: Broker, database: Database) -> None:
    """429 with Retry-After beyond the rate, while the rest of the API answers; a moment later it is open again."""
    heavy = (b"/ABC5x\r\n\r\n" + b"1-0:1.8.0(1)\r\n" * 1000 + b"!1234\r\n") * 4
    async with gateway(gateway_settings(broker, database)) as running:
        posts = [asyncio.create_task(post(running, data=heavy)) for _ in range(BURST + 20)]
        started = time.monotonic()
        assert (await running.get("/devices"))["items"] == []
        assert time.monotonic() - started < 20
        answers = await asyncio.gather(*posts)
        statuses = {status for status, _ in answers}
        assert statuses == {200, 429}
        turned_away = next(answer for status, answer in answers if status == 429)
        assert turned_away["title"] == "Too many requests"
        async with asyncio.timeout(60):
            while (await post(running, data=P1))[0] != 200:
                await asyncio.sleep(0.1)


async def test_the_gate_counts_those_inside_and_the_rate() -> None:
    """As many threads as there are places, the rest in line, one more refused; the rate refills with time."""
    release, running = threading.Event(), []

    def work(number: int) -> int:
        running.append(number)
        release.wait(60)
        return number

    gate = Gate(waiting=1, rate_per_s=50, burst=AT_ONCE + 2)
    tasks = [asyncio.create_task(gate.run(work, number)) for number in range(AT_ONCE + 1)]
    async with asyncio.timeout(60):
        while len(running) < AT_ONCE:
            await asyncio.sleep(0.01)
    with pytest.raises(Refusal) as refused:
        await gate.run(work, 9)
    assert (refused.value.kind, refused.value.retry_after_s) == (Kind.TOO_MANY, 1)
    assert sorted(running) == list(range(AT_ONCE))
    release.set()
    assert await asyncio.gather(*tasks) == list(range(AT_ONCE + 1))
    slow = Gate(rate_per_s=0.5, burst=1)
    assert await slow.run(abs, -1) == 1
    with pytest.raises(Refusal):
        await slow.run(abs, -1)
    async with asyncio.timeout(60):
        while True:
            try:
                assert await slow.run(abs, -2) == 2
                break
            except Refusal:
                await asyncio.sleep(0.02)
