"""What the API takes and answers about keys of meters."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr

from broker.contract.messages import At
from gateway.api.auth.models import SecretBody
from gateway.keys.rules import KEY, PASSWORD, KeyKind
from gateway.models import ApiModel


def _secret(pattern: str, description: str) -> Any:
    def with_pattern(schema: dict[str, Any]) -> None:
        # what is left out is not set, which no pattern fits
        schema.pop("default", None)
        schema["pattern"] = f"^{pattern}$"

    return Field(default=SecretStr(""), description=description, json_schema_extra=with_pattern)


class MeterKeyRequest(SecretBody):
    """The keys of a meter, in the place of all that were set before. Nobody is shown them again."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["encryption"]}, {"required": ["password"]}],
            "dependentRequired": {"authentication": ["encryption"]},
        }
    )

    encryption: SecretStr = _secret(KEY, "32 hex digits, by which its telegrams are deciphered.")
    authentication: SecretStr = _secret(KEY, "32 hex digits, by which their tags are checked, where it is known.")
    password: SecretStr = _secret(PASSWORD, "The password (LLS secret) of whoever reads it as a client.")


class MeterKeyView(ApiModel):
    """What may be told of a meter's key."""

    meter: str
    device: str | None = Field(description="The device at whose port the meter stands.")
    kinds: tuple[KeyKind, ...]
    fingerprint: str = Field(description="The same for the same keys; they can't be found out by it.")
    set_by: str
    set_at: At
    state: Literal["given", "waiting", "withheld", "no_certificate", "too_many", "not_opened"] = Field(
        description="given: the broker has it for the device, sealed; waiting: it soon will; withheld: the meter went"
        " to another device, which gets it by a person's word; no_certificate: the device logs in by a password, so"
        " that nothing can be sealed to it: the platform decodes its frames; too_many: the device has keys of 256"
        " meters, and takes no more; not_opened: no master key opens it: set it again."
    )


class KeylessView(ApiModel):
    """A meter whose telegrams are kept until its key is set."""

    meter: str
    device: str | None
    key: Literal["missing", "wrong"]


class MeterKeyList(ApiModel):
    """All keys that are set, and the first thousand meters that want one."""

    items: tuple[MeterKeyView, ...]
    wanted: tuple[KeylessView, ...]
