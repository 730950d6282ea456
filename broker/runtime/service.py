"""The runtime that every service shares: logs, signals, checks of health, and errors that a person can act on."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal, TypeVar

import structlog

from broker.errors import PermanentError
from broker.runtime.environment import read
from broker.runtime.settings import ProcessSettings

LogFormat = Literal["auto", "json", "console"]
S = TypeVar("S", bound=ProcessSettings)
Check = Callable[[], tuple[bool, str]]
"""Whether a part is well, and one line of detail."""


def configure_logging(level: str = "info", log_format: LogFormat = "auto") -> None:
    """Log structured events to stderr: JSON lines, or colours where stderr is a terminal and the format is auto."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([structlog.processors.format_exc_info] if as_json else []),
            *([_event_first] if as_json else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=logging.DEBUG if level == "debug" else logging.WARNING, handlers=[_Libraries()], force=True
    )


def _event_first(_logger: Any, _name: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What happened, when and how grave it is come first in a line, then its facts in the order of the call."""
    first = {name: facts.pop(name) for name in ("event", "timestamp", "level", "service") if name in facts}
    return {**first, **facts}


class _Libraries(logging.Handler):
    """Turns what libraries log into events of our own form, one line each; a traceback only at debug level."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(
            record.levelno,
            "library_message",
            logger=record.name,
            message=record.getMessage().splitlines()[0][:500],
            **({"error": f"{type(error).__name__}: {error}"} if error is not None else {}),
            **({"exc_info": error} if error is not None and logging.root.level <= logging.DEBUG else {}),
        )


class Health:
    """The checks of one service by name; the service is well while all of them are."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Add a check; one of the same name is replaced."""
        self._checks[name] = check

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Run all checks now: overall verdict, and the document that /healthz serves."""
        results = {name: check() for name, check in self._checks.items()}
        well = all(ok for ok, _ in results.values())
        checks = {name: {"ok": ok, "detail": detail} for name, (ok, detail) in results.items()}
        return well, {"status": "ok" if well else "failing", "checks": checks}


def load(settings: type[S]) -> S:
    """Read a service's settings from the environment once; ends the process naming each wrong variable."""
    try:
        return read(settings)
    except PermanentError as error:
        sys.exit(str(error))


def run_service(
    name: str,
    settings: S,
    run: Callable[[S, asyncio.Event], Awaitable[int | None]],
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run a service until SIGTERM or SIGINT sets `stop`, then let it drain; it may return the process's exit status.

    `loop` makes another event loop than asyncio's own.
    A PermanentError ends the process with status 1 and its message, not a traceback.
    """
    try:
        settings.check_files()
    except PermanentError as error:
        sys.exit(f"wattline {name}: {error}")
    # what a service writes are secrets and what households used: its own account's alone, whatever shell began it
    os.umask(0o077)
    # what is loaded stays: to walk through it again and again costs a service a tenth of a second each time
    gc.freeze()
    configure_logging(settings.log_level, settings.log_format)
    structlog.contextvars.bind_contextvars(service=name)

    async def main() -> int | None:
        stop = asyncio.Event()
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, stop.set)
        return await run(settings, stop)

    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            status = runner.run(main())
    except PermanentError as error:
        sys.exit(f"wattline {name}: {error}")
    except ExceptionGroup as group:
        permanent, rest = group.split(PermanentError)
        if rest is not None or permanent is None:
            raise
        sys.exit(f"wattline {name}: {_first(permanent)}")
    if status:
        sys.exit(status)


def _first(group: ExceptionGroup[Any]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner
