"""The API against its own OpenAPI document: schemathesis makes requests of every operation, good and bad ones."""

import asyncio
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from tests.integration.gateway_rig import connection, gateway, gateway_settings
from tests.servers import Broker, Database

TOKEN = "conformance"
EXAMPLES = 2
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def try_all(url: str, mode: GenerationMode) -> tuple[int, list[str]]:
    """Call every operation with made-up data; returns how many there were, and what did not conform."""
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKED]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=headers)
    schema.config.generation.update(modes=[mode])
    operations, faults = 0, []
    for result in schema.get_all_operations():
        operation = result.ok()
        operations += 1
        strategy = operation.as_strategy(generation_mode=mode)

        def attempt(case: Any) -> None:
            if case.operation.path.endswith("/stream"):
                # the one answer without an end
                case.query = {**(case.query or {}), "for_s": 0.05}
            # not by its own transport: beside urllib3-future, which grafana-client brings, that one fails
            request = case.as_transport_kwargs(base_url=url, headers=headers)
            case.validate_response(requests.request(**request, timeout=20), checks=checks)

        bounded = settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        try:
            bounded(given(case=strategy)(attempt))()
        except (Exception, FailureGroup) as error:  # noqa: BLE001 - all of them are shown together
            faults.append(f"{operation.label}: {error}")
    return operations, faults


async def test_every_operation_answers_as_its_document_says(broker: Broker, database: Database) -> None:
    """Made-up requests, valid and not, get documented answers with documented bodies, and never a 5xx."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name, online) VALUES ('d1', true)")
    rig = gateway_settings(broker, database, api_token=SecretStr(TOKEN), api_burst=100_000, api_rate_per_s=10_000)
    async with gateway(rig) as running:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            operations, faults = await asyncio.to_thread(try_all, running.url, mode)
            assert operations > 30
            assert not faults, "\n\n".join(faults)
