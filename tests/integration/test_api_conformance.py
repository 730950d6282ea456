"""The API against its own OpenAPI document: schemathesis makes requests of every operation, good and bad ones."""

import asyncio

import pytest
from pydantic import SecretStr

from tests.rigs.gateway import connection, gateway, gateway_settings
from tests.rigs.servers import Broker, Database

TOKEN = "conformance-of-the-whole-api"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["good", "bad"])
async def test_every_operation_answers_as_its_document_says(broker: Broker, database: Database, kind: str) -> None:
    """Made-up requests get documented answers and never a 5xx; what fits its schema is taken, what does not is refused.

    They are the same in each run.
    """
    # by this test alone, which needs them: every worker imports every test
    from tests.rigs.conformance import GenerationMode, Trial

    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name, online) VALUES ('d1', true)")
        await opened.execute("INSERT INTO meter (key, device_id) SELECT 'ZZZ:1', id FROM device")
    rig = gateway_settings(broker, database, api_token=SecretStr(TOKEN), api_burst=100_000, api_rate_per_s=10_000)
    mode = GenerationMode.POSITIVE if kind == "good" else GenerationMode.NEGATIVE
    async with gateway(rig) as running:
        token = {"Authorization": f"Bearer {TOKEN}"}
        made = await running.http.put(
            f"{running.url}/api/v1/groups/g1", json={"selector": "site=warsaw"}, headers=token
        )
        assert made.status == 200
        made = await running.http.post(f"{running.url}/api/v1/sources", json={"name": "acme"}, headers=token)
        assert made.status == 200
        trial = await asyncio.to_thread(Trial, running.url, TOKEN, mode)
        names = await asyncio.to_thread(trial.run)
        assert len(names) > 60
        assert not trial.faults, "\n\n".join(trial.faults)
        if mode is GenerationMode.POSITIVE:
            assert len(trial.accepted) >= 45, sorted(set(names) - trial.accepted)
