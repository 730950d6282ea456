"""Requests that schemathesis makes of every operation of the API, good and bad ones; it takes seconds to load."""

from collections.abc import MutableMapping
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from gateway.models import MAX_WAIT_S

EXAMPLES = 4
"""Of each kind for each operation: to make one up takes ten times as long as to answer it."""
LONGEST_URL = 8000
"""A longer request line is refused by the HTTP parser, before the API sees it."""
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
)
LONGEST_S = 0.05
"""What a request may wait for: devices that do not report, and a stream without an end."""
THERE: Final[dict[str, Any]] = {
    "device": "d1", "source": "acme", "group": "g1", "meter": "ZZZ:1", "selector": "site=warsaw", "canary": "d1",
    "steps": ["10%", "site=warsaw"], "rollback_to": 0, "time_zone": "Europe/Vilnius",
    "broker_address": "", "broker_authority": "", "enrol_url": "",
    # a release needs a source beside it
    "software_release": "",
}  # fmt: skip
"""What requests that are to be accepted are about: names that there are, and texts with a grammar of their own."""
SERVERS_OWN = ("cursor", "last_event_id", "If-Match")
"""Nothing is taken here but what the server gave before, which no schema tells."""
RANGE: Final = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
MEANT: Final[dict[str, dict[str, Any]]] = {
    # one value depends on another: from before to, consumption by intervals
    "export": RANGE | {"step": "1h"}, "getReadings": RANGE,
    "Ledger": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T06:00:00Z"},
    # versions that there are, an audience
    "Diff": {"from": 0, "to": 0}, "rollback": {"to": 0}, "giveSpec": {"to": "d1"},
    # a time that has passed
    "moveMeter": {"since": "2026-01-01T00:00:00Z"},
}  # fmt: skip
"""Values of the query by (part of) the operation's name, in place of made-up ones."""
NOT_ALL_TAKEN: Final = (
    # only printable characters, which no pattern says, and not the names of facts
    "patchLabels", "putLabels",
    # whether a document is a good spec takes its goldens; whether bytes are a telegram, reading them
    "saveSpec", "decode", "draftSpec",
    # that a password does not repeat a few characters, and is not the user's name, no pattern says
    "createUser", "changeUser", "changeOwnPassword",
    # which arguments a command takes is the command's own matter
    "giveCommand", "giveCommands",
    # and which a job, its kind's; nothing there failed or was cancelled
    "askJob", "retryJob", "putJobSchedule",
    # a file must not be empty, and its name may be anything printable
    "sendJobFile",
    # what a URL is no pattern says; which fields a rule has is its kind's matter, and its channel must be there
    "putChannel", "putRule",
    # only what ends in the future
    "createClaim",
    # whether a change changes anything, and a step chooses a device, takes the state of the fleet
    "stageGroupParameters", "stageFleetParameters",
    # whether a document is a good mapping takes its goldens, and a sample is text or base64; mtls wants a name; a
    # secret wants a master key; there is one source, and no payload
    "putSourceMapping", "trySourceMapping", "draftSourceMapping", "createSource", "putSourceSettings",
    "putSourceSecret", "retryPayloads", "deletePayloads",
)  # fmt: skip
"""Operations that refuse some of what fits their schema, and why."""
JUDGES: Final = ("validateSpec", "sendJobFile")
"""Operations that answer 200 to whatever comes, with all that speaks against it; a file may hold any bytes."""


class Trial:
    """Requests of one kind to a gateway; `faults` is what did not conform."""

    def __init__(self, url: str, token: str, mode: GenerationMode) -> None:
        load_all_checks()
        self._url = url
        self._mode = mode
        self._headers = {"Authorization": f"Bearer {token}"}
        document = f"{url}/api/v1/openapi.json"
        self._schema = schemathesis.openapi.from_url(document, headers=self._headers, timeout=60)
        self._schema.config.generation.update(modes=[mode])
        # what is too large is refused with its own status
        refused = self._schema.config.checks.negative_data_rejection.expected_statuses
        self._schema.config.checks.negative_data_rejection.expected_statuses = [*refused, "413"]
        self.faults: list[str] = []
        self.accepted: set[str] = set()
        """Operations that answered 200 at least once; of the others nothing is there that they could be about."""

    def run(self) -> list[str]:
        """Call every operation with made-up data; returns their names."""
        names = []
        with requests.Session() as http:
            for result in self._schema.get_all_operations():
                operation = result.ok()
                name = operation.definition.raw["operationId"]
                names.append(name)
                self._call(operation, name, http)
        return names

    def _call(self, operation: Any, name: str, http: requests.Session) -> None:
        left_out = ("positive_data_acceptance",) if name in NOT_ALL_TAKEN else ()
        left_out += ("negative_data_rejection",) if name in JUDGES else ()
        checks = [CHECKS.get_one(check) for check in CHECKED if check not in left_out]

        def attempt(case: Any) -> None:
            if self._mode is GenerationMode.POSITIVE:
                sensible(case, name)
            bound(case, name)
            # not by its own transport: beside urllib3-future, which grafana-client brings, that one fails
            request = case.as_transport_kwargs(base_url=self._url, headers=self._headers)
            if len(requests.Request(**request).prepare().url or "") > LONGEST_URL:
                return
            response = http.request(**request, timeout=60)
            if response.ok:
                self.accepted.add(name)
            try:
                case.validate_response(response, checks=checks)
            except FailureGroup as error:
                self.faults.append(f"{name}: {error}")

        bounded = settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        bounded(given(case=operation.as_strategy(generation_mode=self._mode))(attempt))()


def sensible(case: Any, name: str) -> None:
    """Make of a request that fits its schema one about things that there are."""
    meant = next((values for part, values in MEANT.items() if part in name), {})
    for part in (case.path_parameters, case.query, case.headers, case.body):
        if isinstance(part, MutableMapping):
            for own in SERVERS_OWN:
                part.pop(own, None)
            part.update({key: value for key, value in THERE.items() if key in part})
    if isinstance(case.query, dict):
        case.query |= {key: value for key, value in meant.items() if key in case.query or key == "step"}


def bound(case: Any, name: str) -> None:
    """Let no request wait for long; a wait that is not valid stays as it is."""
    if name == "streamEvents":
        case.query = {**(case.query or {}), "for_s": LONGEST_S}
    try:
        waits = 0 < float(case.query["wait_s"]) <= MAX_WAIT_S
    except (TypeError, KeyError, ValueError):
        return
    if waits:
        case.query["wait_s"] = LONGEST_S
