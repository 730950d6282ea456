"""What the gateway takes over HTTP: bodies, queries, specs; and every service's settings."""

import base64
import os
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from broker.errors import PermanentError, WattlineError
from broker.runtime.environment import read, unknown
from device.settings import DeviceSettings
from gateway.api.auth.models import TokenRequest
from gateway.api.decode.decoding import answer
from gateway.api.decode.models import DecodeQuery
from gateway.api.meters.models import ReadingsQuery
from gateway.api.parameters.models import ChangeQuery
from gateway.api.stream.models import StreamQuery
from gateway.commands.models import CommandArguments, CommandRequest
from gateway.desired.layers import Layer, ParameterSet, read_changes
from gateway.desired.spec_catalogue import Published, SpecCatalogue
from gateway.fleet.audience import parse_audience
from gateway.models import PageQuery
from gateway.settings import GatewaySettings
from gateway.specs.models import DraftRequest
from gateway.validation import faults_of
from ingestor.settings import IngestorSettings
from ingestor.worker.settings import WorkerSettings
from meters.specs.catalogue import catalogue
from meters.specs.document import read_document
from meters.specs.spec import digest, load_spec, refusals, spec_document
from tests.fuzz import seeds
from tests.fuzz.registry import Try, target

BODIES: Final[dict[str, tuple[type[BaseModel], tuple[bytes, ...]]]] = {
    "token": (TokenRequest, (b'{"name": "anna", "role": "engineer"}',)),
    "command": (CommandRequest, (b'{"arguments": {"for_s": 5}, "devices": ["d1"]}', b'{"selector": "site=warsaw"}')),
    "arguments": (CommandArguments, (b'{"for_s": 5}',)),
    "draft": (DraftRequest, (b'{"frames": [{"hex": "2f4953"}], "units": {"1.8.0": "kWh"}}',)),
    "page": (PageQuery, (b'{"limit": 100, "cursor": "abc"}',)),
    "readings-query": (ReadingsQuery, (b'{"from": "2026-01-01T00:00:00Z", "to": "-7d", "obis": "1-0:1.8.0"}',)),
    "change-query": (ChangeQuery, (b'{"author": "anna", "reason": "because", "wait_s": 5}',)),
    "stream-query": (StreamQuery, (b'{"kinds": "events"}',)),
}


def _body(name: str, model: type[BaseModel], good: tuple[bytes, ...]) -> None:
    @target(f"http-{name}", lambda: good, known=(ValidationError, WattlineError), share=10)
    def make() -> Try:
        def attempt(body: bytes) -> None:
            try:
                model.model_validate_json(body, strict=True)
            except ValidationError as error:
                faults_of(error, tuple(model.model_fields))
                raise

        return attempt


for _name, (_model, _good) in BODIES.items():
    _body(_name, _model, _good)


@target(
    "http-parameters",
    lambda: (
        b'{"reading_interval_s": 5, "obis_include": ["1-0:1.8.*"], "time_zone": "Europe/Vilnius", "log_level": null}',
    ),
    known=(ValidationError, WattlineError),
    share=20,
)
def _parameters() -> Try:
    def attempt(body: bytes) -> None:
        for model in (ParameterSet, Layer):
            try:
                read_changes(model, body)
            except ValidationError as error:
                faults_of(error)

    return attempt


def published() -> SpecCatalogue:
    """The shipped catalogue as the gateway publishes it."""
    return SpecCatalogue(
        {one.ref: Published(one.name, one.version, digest(one), spec_document(one), one) for one in catalogue()}
    )


@target("http-decode", lambda: (b'{"hex": "2f49534b"}', *seeds.telegrams()[::2]), share=1)
def _decode() -> Try:
    specs, query = published(), DecodeQuery()

    def attempt(body: bytes) -> None:
        answer(body, query, "application/octet-stream", specs)

    return attempt


@target("spec-text", seeds.specs, share=1)
def _spec() -> Try:
    def attempt(text: bytes) -> None:
        document: dict[str, Any] = read_document(text, origin="fuzz")
        refusals(document)
        load_spec(text, origin="fuzz")

    return attempt


@target("http-cursor", lambda: (b'["2026-01-01T00:00:00Z", 5]', b'["pi-1"]'), known=(ValidationError,), share=10)
def _cursor() -> Try:
    def attempt(text: bytes) -> None:
        PageQuery(cursor=base64.urlsafe_b64encode(text).decode().rstrip("="))
        PageQuery(cursor=text.decode("latin-1"))

    return attempt


@target("audience", lambda: (b"10%", b"site=warsaw", b"d1,d2", b"site=warsaw,software=0.1"), share=20)
def _audience() -> Try:
    def attempt(text: bytes) -> None:
        parse_audience(text.decode("latin-1"))

    return attempt


SETTINGS: Final = (IngestorSettings, WorkerSettings, GatewaySettings, DeviceSettings)
ENVIRONMENT: Final = (
    b"BROKER__HOST=broker.example\nBROKER__PORT=1883\nDATABASE_DSN=postgresql://u:p@h:5432/d\nHTTP_PORT=8081",
    b"BROKER__USERNAME=ingestor\nBROKER__PASSWORD_FILE=/etc/x\nBROKER__TLS_CA=/etc/ca\nLOG_FORMAT=json\nLOG_LEVEL=info",
    b'PORTS=/dev/ttyUSB0,/dev/ttyUSB1\nBUS={"/dev/ttyUSB0": ["12345678"]}\nDETECTION__QUICK_S=1.5\nDEVICE_ID=pi-1',
    b'EARLIEST_AT=2000-01-01T00:00:00Z\nBATCH_ROWS=20000\nSHARE_GROUP=a\nBROKER={"host": "h"}\nDETECTION={}',
)


@target("settings", lambda: ENVIRONMENT, known=(PermanentError,), share=4)
def _settings() -> Try:
    before = MappingProxyType({name: value for name, value in os.environ.items() if not name.startswith("WATTLINE_")})

    def attempt(data: bytes) -> None:
        chosen = SETTINGS[len(data) % len(SETTINGS)]
        prefix = chosen.model_config["env_prefix"]
        os.environ.clear()
        os.environ.update(before)
        for line in data.replace(b"\x00", b"").split(b"\n"):
            name, _, value = line.partition(b"=")
            if name:
                os.environb[prefix.encode() + name] = value
        unknown(chosen)
        read(chosen)

    return attempt
