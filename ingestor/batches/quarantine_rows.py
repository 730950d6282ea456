"""Payloads and values that can't be taken, as rows of quarantine with a reason that a person can act on."""

from broker.contract.messages import MAX_PAYLOAD_BYTES, Readings
from broker.errors import ContractError
from broker.plain_errors import NO_JSON
from ingestor.batches.batch import Received
from ingestor.batches.records import MAX_KEPT_BYTES, Stored, clean, delivery_id, first_sent, salvage
from ingestor.batches.value_checks import Refused

UNKNOWN_TOPIC = "unknown_topic"
TOO_LARGE = "too_large"
INVALID_JSON = "invalid_json"
INVALID_MESSAGE = "invalid_message"
IMPLAUSIBLE_TIME = "implausible_time"
IMPLAUSIBLE_VALUE = "implausible_value"
DEVICE_LIMIT = "device_limit"
METER_LIMIT = "meter_limit"
SERIES_LIMIT = "series_limit"
VALUE_CONFLICT = "value_conflict"
FOREIGN_METER = "foreign_meter"
"""Of a meter that stood at another device at that time."""
REFUSED_BY_DATABASE = "refused_by_database"
INTERNAL_ERROR = "internal_error"


def reason_of(error: Exception, payload: bytes) -> str:
    """The reason to give for a payload whose parsing failed with this error."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return TOO_LARGE
    if isinstance(error, ContractError) and error.reason.startswith(NO_JSON):
        return INVALID_JSON
    return INVALID_MESSAGE


def whole(
    client_id: str, received: Received, reason: str, detail: str, device: str | None = None, *, state: bool = False
) -> Stored:
    """A payload as it came, up to MAX_KEPT_BYTES of it; a `state`, as a status, is no other one when it comes again."""
    return _row(client_id, received, reason, detail, device, received.delivery.payload, state=state)


def part(client_id: str, received: Received, message: Readings, reason: str, refused: Refused, device: str) -> Stored:
    """Some samples of a message whose other samples are stored, as a readings message of their own."""
    rest = message.model_copy(update={"samples": tuple(refused.samples)})
    return _row(client_id, received, reason, "; ".join(refused.details), device, rest.payload(), state=False)


def _row(
    client_id: str, received: Received, reason: str, detail: str, device: str | None, data: bytes, *, state: bool
) -> Stored:
    delivery = received.delivery
    if len(data) > MAX_KEPT_BYTES:
        detail = f"{detail}; the first {MAX_KEPT_BYTES} of {len(data)} bytes are kept"
    origin, doubtful = _identity(client_id, received, state=state)
    return Stored(
        received_us=received.received_us,
        topic=clean(delivery.topic),
        kind="payload",
        reason=reason,
        data=data[:MAX_KEPT_BYTES],
        delivery=delivery_id(*origin, delivery.topic, reason, first_sent(data)),
        detail=clean(detail),
        device=device,
        doubtful=doubtful,
    )


def _identity(client_id: str, received: Received, *, state: bool) -> tuple[tuple[object, ...], bool]:
    """What names a delivery beside topic and bytes, and whether one of this name may be in already.

    A message with a number is the same whoever is given it and however often. A state comes to each ingestor, and a
    retained payload with each subscription. Of the rest only the broker knows: what it gives again to the same client
    has the same packet identifier (MQTT 5 4.4).
    """
    delivery = received.delivery
    if (numbered := salvage(delivery.payload)) is not None:
        return numbered, True
    if state or delivery.retain:
        return ("retained",), True
    return (client_id, delivery.mid), received.doubtful and delivery.qos > 0
