"""A received desired configuration, read or refused as a whole. Pure functions."""

import json
import re
from typing import Any, Final

from pydantic import ValidationError

from broker.contract.messages import MAX_PAYLOAD_BYTES, Desired, Reason
from broker.patterns import OBIS_FILTER
from broker.plain_errors import plain_reason

REASONS_MAX: Final = 16


class RefusedError(Exception):
    """A configuration that can't be taken; `version` is 0 where none could be read."""

    def __init__(self, version: int, reasons: tuple[Reason, ...]) -> None:
        super().__init__()
        self.version = version
        self.reasons = reasons


def read_desired(payload: bytes) -> Desired:
    """Read it. Raises RefusedError with a reason for each field."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        text = f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}"
        raise RefusedError(0, (Reason(field="payload", reason=text),))
    try:
        desired = Desired.model_validate_json(payload, extra="ignore")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:REASONS_MAX]
        reasons = tuple(
            Reason(field=(".".join(map(str, p["loc"])) or "payload")[:256], reason=plain_reason(p)[:1024])
            for p in problems
        )
        raise RefusedError(_version(payload), reasons) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        # a time that is none in UTC
        reason = Reason(field="payload", reason=str(error)[:1024])
        raise RefusedError(_version(payload), (reason,)) from error
    reasons = tuple(
        Reason(field=f"parameters.{name}.{n}", reason=f"{pattern!r} fits no OBIS code; digits, * . : - & are allowed")
        for name in ("obis_include", "obis_exclude")
        for n, pattern in enumerate(getattr(desired.parameters, name))
        if not re.fullmatch(OBIS_FILTER, pattern)
    )
    if reasons:
        raise RefusedError(desired.version, reasons[:REASONS_MAX])
    return desired


def _version(payload: bytes) -> int:
    try:
        document: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return 0
    version = document.get("version") if isinstance(document, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= 2**53 else 0
