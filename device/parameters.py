"""The desired configuration: taken or refused as a whole, the last good one kept on disk, and what to report of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from pydantic import ValidationError

from broker.errors import ContractError
from broker.messages import MAX_PAYLOAD_BYTES, Desired, MeterConfig, Parameters, Reason
from device.files import write_atomically
from meters.obis_filter import PATTERN

log = structlog.get_logger()

REASONS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a desired configuration; `version` is the one it speaks of, 0 where none could be read."""

    applied: bool
    version: int
    reasons: tuple[Reason, ...] = ()
    changed: bool = False


class Configuration:
    """The configuration in force: version 0 with defaults until a desired one is applied."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._desired: Desired | None = None

    def load(self) -> None:
        """Take up the last good configuration; an unreadable one is reported and left."""
        try:
            self._desired = Desired.parse(self._file.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ContractError, ValueError, ArithmeticError) as error:
            log.warning("desired_unreadable", path=str(self._file), error=str(error))

    @property
    def version(self) -> int:
        """The version in force, 0 before the first."""
        return self._desired.version if self._desired else 0

    @property
    def parameters(self) -> Parameters:
        """The parameters in force."""
        return self._desired.parameters if self._desired else Parameters()

    def meter(self, key: str) -> MeterConfig | None:
        """What the config service says of a meter; None where it has not spoken yet."""
        return self._desired.meters.get(key) if self._desired else None

    def spec_refs(self) -> frozenset[str]:
        """All specs that the configuration names."""
        return frozenset(m.spec for m in self._desired.meters.values() if m.spec) if self._desired else frozenset()

    def consider(self, payload: bytes) -> Verdict:
        """Apply a received configuration, or refuse it and keep the one in force."""
        try:
            desired = _read(payload)
        except _RefusedError as refused:
            return Verdict(applied=False, version=refused.version, reasons=refused.reasons)
        current = self._desired
        if current is not None and desired.version <= current.version:
            if desired.version == current.version and desired.digest() == current.digest():
                return Verdict(applied=True, version=desired.version)
            why = (
                f"version {current.version} is in force with other content"
                if desired.version == current.version
                else f"version {current.version} is in force, which is newer"
            )
            return Verdict(applied=False, version=desired.version, reasons=(Reason(field="version", reason=why),))
        self._desired = desired
        self._save(desired)
        return Verdict(applied=True, version=desired.version, changed=True)

    def _save(self, desired: Desired) -> None:
        try:
            write_atomically(self._file, desired.payload())
        except OSError as error:
            # in force all the same: the retained message brings it again after a restart
            log.warning("desired_not_saved", path=str(self._file), error=str(error))


class _RefusedError(Exception):
    def __init__(self, version: int, reasons: tuple[Reason, ...]) -> None:
        super().__init__()
        self.version = version
        self.reasons = reasons


def _read(payload: bytes) -> Desired:
    if len(payload) > MAX_PAYLOAD_BYTES:
        text = f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}"
        raise _RefusedError(0, (Reason(field="payload", reason=text),))
    try:
        desired = Desired.model_validate_json(payload, extra="ignore")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)[:REASONS_MAX]
        reasons = tuple(
            Reason(field=(".".join(map(str, p["loc"])) or "payload")[:256], reason=p["msg"][:1024]) for p in problems
        )
        raise _RefusedError(_version(payload), reasons) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        # a time that is none in UTC
        reason = Reason(field="payload", reason=str(error)[:1024])
        raise _RefusedError(_version(payload), (reason,)) from error
    reasons = tuple(
        Reason(field=f"parameters.{name}.{n}", reason=f"{pattern!r} fits no OBIS code; digits, * . : - & are allowed")
        for name in ("obis_include", "obis_exclude")
        for n, pattern in enumerate(getattr(desired.parameters, name))
        if not PATTERN.fullmatch(pattern)
    )
    if reasons:
        raise _RefusedError(desired.version, reasons[:REASONS_MAX])
    return desired


def _version(payload: bytes) -> int:
    try:
        document: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return 0
    version = document.get("version") if isinstance(document, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= 2**53 else 0
