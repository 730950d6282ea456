"""What a row may lack the API can show: rows with nothing but what their tables demand, in every list and detail."""

import json
import re
from typing import Any, Final

from tests.rigs.gateway import Gateway, connection, gateway, gateway_settings
from tests.rigs.servers import Broker, Database

BARE: Final = """
INSERT INTO device (name) VALUES ('bare'), ('asked'), ('answers');
INSERT INTO meter (key) VALUES ('BARE:1');
INSERT INTO meter (key, device_id) SELECT 'BARE:2', id FROM device WHERE name = 'bare';
INSERT INTO meter (key, device_id, parent_id) SELECT 'BARE:3', device_id, id FROM meter WHERE key = 'BARE:2';
INSERT INTO series (meter_id, obis, unit, kind) SELECT id, '1-0:1.8.0', 'kWh', 'register' FROM meter;
INSERT INTO reading (time, value, series_id, source) SELECT now() - interval '1 minute', 1, id, 1 FROM series;
INSERT INTO frame (received_at, topic, kind, reason, data, delivery)
SELECT now(), 't', kind, 'bad_frame', '', gen_random_uuid() FROM (VALUES ('frame'), ('payload')) k (kind);
INSERT INTO frame (received_at, topic, kind, reason, data, delivery, meter_id)
SELECT now(), 't', 'frame', 'no_spec', '', gen_random_uuid(), id FROM meter;
INSERT INTO event (received_at, at, source, event, severity) VALUES (now(), now(), 'device', 'e', 'info');
INSERT INTO message (received_at, seq, device_id, rows, kind, boot) SELECT now(), 7, id, 1, 1, 'b1' FROM device;
INSERT INTO ledger_boot (device_id, boot, highest, heard_at) SELECT id, 'b1', 7, now() FROM device;
INSERT INTO ledger_hole (device_id, boot, low, high, opened_at) SELECT id, 'b1', 2, 3, now() FROM device;
INSERT INTO desired (device_id, version, hash, document, author)
SELECT id, 1, 'h', '{"version": 1, "parameters": {}, "meters": {}}', 'a' FROM device WHERE name <> 'answers';
INSERT INTO reported (device_id, version, state, effective, boot, at)
SELECT id, 1, 'applied', '{}', 'b1', now() FROM device WHERE name <> 'asked';
INSERT INTO device_twin (device_id, since, seen_at, boots) SELECT id, now(), now(), '[]' FROM device;
INSERT INTO device_labels (device_id, labels, author) SELECT id, '{}', 'a' FROM device WHERE name = 'bare';
INSERT INTO parameter_group (name, selector, priority, author) VALUES ('bare', 'device=bare', 1, 'a');
INSERT INTO parameter_document (scope, version, document, author)
SELECT scope, 1, '{}', 'a' FROM (VALUES ('fleet'), ('group:bare'), ('device:bare')) s (scope);
INSERT INTO parameter_stage (scope, base, document, changes, steps, settle_s, timeout_s, max_failed, state, author)
VALUES ('group:bare', 1, '{}', '{}', '{100%}', 1, 1, 1, 'paused', 'a');
INSERT INTO parameter_stage_device (stage_id, device_id, step)
SELECT s.id, d.id, 0 FROM parameter_stage s CROSS JOIN device d;
INSERT INTO parameter_unsupported (device_id, parameters) SELECT id, '{zone}' FROM device;
INSERT INTO spec (name, version, document, source, sha256) VALUES ('bare', 1, '{}', '', 'x');
INSERT INTO spec_draft (name, version, document, source, sha256, author) VALUES ('bare', 2, '{}', '', 'x', 'a');
INSERT INTO spec_deprecation (name, version, author) VALUES ('bare', 1, 'a');
INSERT INTO spec_rollout (name, version, state, author) VALUES ('bare', 1, 'released', 'a');
INSERT INTO spec_rollout_step (name, version, state, audience, author) VALUES ('bare', 1, 'released', '', 'a');
INSERT INTO spec_rollout_meter (name, version, meter_id, desired) SELECT 'bare', 1, id, 1 FROM meter;
INSERT INTO point (name, device_id, port) SELECT name, id, 'p' FROM device;
INSERT INTO meter_stay (point_id, meter_id, installed_at)
SELECT p.id, m.id, now() FROM point p, meter m WHERE p.name = 'bare' AND m.key = 'BARE:2';
INSERT INTO meter_register (stay_id, meter_id, point_id, kind, obis, unit, value, at)
SELECT id, meter_id, point_id, 'opening', '1-0:1.8.0', 'kWh', 1, now() FROM meter_stay;
INSERT INTO job (spec, automatic, author) VALUES ('bare@1', true, 'a');
INSERT INTO job (spec, automatic, author, kind) VALUES ('', false, 'a', 'retry');
INSERT INTO command (id, batch, device_id, command, author, gateway, expires_at)
SELECT gen_random_uuid(), gen_random_uuid(), id, 'read_now', 'a', 'g', now() + interval '1 hour' FROM device;
INSERT INTO account (name, role, password, author) VALUES ('bare-user', 'viewer', '', 'a');
INSERT INTO api_token (name, role, sha256, author) VALUES ('bare', 'viewer', '', 'a');
INSERT INTO notice_channel (name, kind, shown, sealed, master, author) VALUES ('bare', 'webhook', '', '', '', 'a');
INSERT INTO notice_rule (name, channel, enabled, events, document, author)
VALUES ('bare', 'bare', true, '{}', '{"about": "offline", "channel": "bare"}', 'a');
INSERT INTO notice_delivery (id, channel, event, title, text, tries_left)
VALUES (gen_random_uuid(), 'bare', '{}', '', '', 1);
INSERT INTO device (name) VALUES ('source-bare');
INSERT INTO source (name, kind, device_id, created_by)
SELECT 'bare', 'hook', id, 'a' FROM device WHERE name = 'source-bare';
INSERT INTO source_mapping (source, version, document, sha256, author) VALUES ('bare', 1, '', '', 'a');
INSERT INTO payload (source, key) VALUES ('bare', 'k');
INSERT INTO source_proposal (broker, key, origin, name, topics, document) VALUES ('ours', 'k', 'topics', 'n', '{}', '');
INSERT INTO job_schedule (name, kind, cron, zone, author, next_at)
VALUES ('bare', 'recompute', '0 0 * * *', 'UTC', 'a', now());
INSERT INTO audit (actor, address, action, method, path, status, result) VALUES ('a', '-', 'x', 'GET', '/', 200, 'ok')
"""
"""Each row with the columns that may not be NULL and have no default, and such as tell one from another."""
STREAMS: Final = ("/events/stream", "/export", "/openapi.json")
"""What is no document of rows: a stream without an end, files."""


async def names(database: Database) -> dict[str, list[str]]:
    """What stands for each field of a path."""
    wanted = {
        "device": "SELECT name FROM device", "meter": "SELECT key FROM meter", "point": "SELECT id FROM point",
        "group": "SELECT name FROM parameter_group", "stage": "SELECT id FROM parameter_stage",
        "job": "SELECT id FROM job", "id": "SELECT id FROM command", "name": "VALUES ('bare')",
        "version": "VALUES (1), (2)",
        "payload": "SELECT id FROM frame WHERE kind = 'payload' UNION SELECT id FROM payload",
        "source": "VALUES ('bare')", "proposal": "SELECT id FROM source_proposal", "schedule": "VALUES ('bare')",
        "channel": "VALUES ('bare')", "rule": "VALUES ('bare')", "message": "SELECT id FROM notice_delivery",
    }  # fmt: skip
    async with connection(database) as opened:
        return {field: [str(one[0]) for one in await opened.fetch(sql)] for field, sql in wanted.items()}


def filled(path: str, there: dict[str, list[str]]) -> list[str]:
    """A path of OpenAPI with all that may stand in its fields."""
    paths = [path]
    for field in re.findall(r"{(\w+)}", path):
        paths = [one.replace(f"{{{field}}}", value.replace(":", "%3A")) for one in paths for value in there[field]]
    return paths


async def statuses(running: Gateway, paths: list[str]) -> dict[str, Any]:
    """What a GET of each of these paths gives, where that is a server's error."""
    found = {}
    for path in paths:
        async with running.http.get(f"{running.url}/api/v1{path}") as response:
            if response.status >= 500:
                found[path] = await response.text()
    return found


async def test_rows_with_nothing_but_what_must_be_there_are_shown(broker: Broker, database: Database) -> None:
    """A gateway starts on them, shows them, and builds configurations of them.

    A field of a typed row that may be NULL, and is not said to be, is an error of the server's only then.
    """
    async with connection(database) as opened:
        await opened.execute(BARE)
    there = await names(database)
    async with gateway(gateway_settings(broker, database)) as running:
        document = await running.get("/openapi.json")
        reads = [path for path, operations in document["paths"].items() if "get" in operations and path not in STREAMS]
        paths = [one for path in reads for one in filled(path.removeprefix("/api/v1"), there)]
        assert len(paths) > len(reads) > 30
        assert not (failed := await statuses(running, paths)), json.dumps(failed, indent=1)
        changes = {"reading_interval_s": 5}
        async with running.http.patch(f"{running.url}/api/v1/parameters", json=changes) as response:
            assert (response.status, sorted((await response.json())["changed"])) == (200, ["asked", "bare"])
