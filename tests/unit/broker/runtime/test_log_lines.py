"""The JSON lines of a service's log."""

import json

import pytest
import structlog

from broker.runtime.service import configure_logging


def test_what_happened_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, time and level stand at the line's beginning, whatever the facts; libraries' lines too."""
    configure_logging("info", "json")
    structlog.get_logger().warning("port_lost", port="/dev/ttyUSB0", reason="gone")
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith('{"event": "port_lost", "timestamp": "')
    assert list(json.loads(line)) == ["event", "timestamp", "level", "port", "reason"]
