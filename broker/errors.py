"""The errors that Wattline's parts raise for one another, with their facts as attributes."""


class WattlineError(Exception):
    """The root of every error that Wattline raises on purpose."""


class FrameError(WattlineError):
    """Bytes on a line that are no good frame.

    `reason` is a short snake_case word (`crc_mismatch`, `truncated`, ...); `offset` counts bytes from the
    start of the frame; `data` holds the bytes concerned, so that nothing undecodable need be thrown away.
    """

    def __init__(self, reason: str, detail: str = "", *, offset: int = 0, data: bytes = b"") -> None:
        super().__init__(f"{reason}: {detail} (at byte {offset})" if detail else f"{reason} (at byte {offset})")
        self.reason = reason
        self.detail = detail
        self.offset = offset
        self.data = data


class ContractError(WattlineError):
    """A message, topic or document that breaks the contract; `field` names the place, `fix` says what is wanted."""

    def __init__(self, reason: str, *, field: str = "", fix: str = "") -> None:
        super().__init__(": ".join(part for part in (field, reason) if part) + (f" ({fix})" if fix else ""))
        self.reason = reason
        self.field = field
        self.fix = fix


class TransientError(WattlineError):
    """A failure that time can heal: try again with backoff."""


class PermanentError(WattlineError):
    """A failure that only a person can heal (credentials, settings): end with this message."""


class ConnectionLostError(TransientError):
    """The connection went away before the broker acknowledged; what was sent may or may not have arrived."""


class RefusedError(PermanentError):
    """The broker refused a connection, publish or subscription; `code` is its MQTT 5 reason code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
