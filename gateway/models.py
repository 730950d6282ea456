"""What the models of all subjects share: pages, cursors, instants, who and why; OpenAPI is made from them."""

import base64
import binascii
import json
import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from broker.contract.messages import At
from broker.patterns import OBIS_CODE, whole

PAGE = 100
MAX_PAGE = 1000
MAX_WAIT_S = 60


def encode_cursor(*key: Any) -> str:
    """Where the next page begins, as text that callers hand back unread."""
    return base64.urlsafe_b64encode(json.dumps(key, default=str).encode()).decode().rstrip("=")


def _decode_cursor(text: object) -> object:
    try:
        key = json.loads(base64.urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise ValueError("this is no cursor; take `next` of the page before, or leave it out") from error
    if not isinstance(key, list):
        raise ValueError("this is no cursor; take `next` of the page before, or leave it out")  # noqa: TRY004
    return key


def _split(value: object) -> object:
    parts = [value] if isinstance(value, str) else value
    return [code for part in parts for code in str(part).split(",")] if isinstance(parts, list) else parts


def _plus(value: object) -> object:
    # a `+` that a caller forgot to escape arrives as a blank; no time zone has one there
    return re.sub(r" (?=\d\d:?\d\d$)", "+", value) if isinstance(value, str) and "T" in value else value


def _finite(value: object) -> object:
    # asyncpg gives infinity as the first or last datetime without a zone
    ends = isinstance(value, datetime) and value.tzinfo is None and value.year in {MINYEAR, MAXYEAR}
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and ends else value


Cursor = Annotated[list[Any], BeforeValidator(_decode_cursor, json_schema_input_type=str)]
Instant = Annotated[At, BeforeValidator(_plus)]
StoredAt = Annotated[At, BeforeValidator(_finite)]
"""A device's word for when, as the store has it: infinity, which rows of old versions have, is the last instant."""
ObisList = Annotated[
    tuple[Annotated[str, Field(pattern=whole(OBIS_CODE))], ...],
    BeforeValidator(_split, json_schema_input_type=Annotated[str, Field(pattern=whole(f"{OBIS_CODE}(,{OBIS_CODE})*"))]),
]


def exactly_one(*names: str) -> ConfigDict:
    """A model's config whose JSON schema says that one of these fields must be given, and no other of them."""
    given: list[Any] = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]
    return ConfigDict(json_schema_extra={"oneOf": given})


class ApiModel(BaseModel):
    """What all documents of the API share."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PageQuery(ApiModel):
    """Which page of a list."""

    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE, description="Most items in the answer.")
    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")


class Fault(ApiModel):
    """One thing wrong with a request."""

    field: str
    reason: str
    fix: str = ""


class ProblemDocument(ApiModel):
    """An error as RFC 9457 has it; `field` and `errors` name what is wrong with the request."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: tuple[Fault, ...] = ()
    current: dict[str, Any] | None = Field(default=None, description="With 412: what holds now.")


class AuthorQuery(ApiModel):
    """Who changes something."""

    author: str = Field(
        default="",
        max_length=64,
        pattern=r"^[^\x00-\x1f]*$",
        description="Whom the caller names; it stands in brackets behind the name of the caller's token.",
    )


class ReasonQuery(AuthorQuery):
    """Who changes something, and why."""

    reason: str | None = Field(default=None, max_length=1000, pattern=r"^[^\x00]*$")
