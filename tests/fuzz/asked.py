"""What a DLMS meter may answer to the client that asks it: values, blocks, lists, refusals, load profiles."""

import functools
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from broker.errors import FrameError
from device.simulator.dlms import SimulatedPolledDlmsMeter
from device.simulator.dlms.event_log import STANDARD_LOG
from meters.telegram import Frame
from meters.wires.dlms.client.event_log import event_log
from meters.wires.dlms.client.hdlc_link import HdlcLink
from meters.wires.dlms.client.profile import profile
from meters.wires.dlms.client.reading import KnownMeter, snapshot
from meters.wires.dlms.client.session import DlmsSession, Plan
from meters.wires.dlms.client.station import Access, Station
from meters.wires.dlms.client.wrapper_link import WrapperLink
from meters.wires.iec62056_signon import Done, Failed, Send
from meters.wires.readers import parse
from tests.fuzz.registry import Try, target

UNTIL: Final = datetime(2026, 11, 29, 12, tzinfo=UTC)
_HEAD: Final = b"\x00\x01\x00\x01\x00\x10"


def _plans() -> tuple[Plan, ...]:
    span = {"start_at": UNTIL - timedelta(hours=2), "end_at": UNTIL, "zone": UTC}
    log = partial(event_log, name=STANDARD_LOG, **span)  # type: ignore[arg-type]
    return partial(snapshot, KnownMeter()), partial(profile, **span), log  # type: ignore[arg-type]


@functools.cache
def answers() -> tuple[bytes, ...]:
    """What the simulated meter says at whole visits, each answer behind its length."""
    found = []
    for options in ({}, {"many": False, "message_bytes": 64}, {"ranges": False}):
        for plan in _plans():
            meter = SimulatedPolledDlmsMeter(
                serial="71823456",
                started_at=UNTIL.timestamp(),
                wall=lambda: 0.0,
                failures=((int(UNTIL.timestamp()) - 3600, int(UNTIL.timestamp()) - 60),),
                **options,  # type: ignore[arg-type]
            )
            said: list[bytes] = []

            def reply(data: bytes, meter: SimulatedPolledDlmsMeter = meter, said: list[bytes] = said) -> bytes:
                said.append(meter.server.reply(16, data[8:]))
                return said[-1]

            _visit(DlmsSession(WrapperLink(Station()), Access(), plan), reply)
            found.append(b"".join(len(one).to_bytes(2) + one for one in said))
    return tuple(found)


def _visit(session: DlmsSession, reply: object) -> Frame | None:
    """Do a visit whose every question gets the next answer; no visit may go on for ever."""
    actions = session.start()
    for _ in range(10_000):
        heard = []
        for action in actions:
            if isinstance(action, Done):
                return action.frame
            if isinstance(action, Failed):
                return None
            if isinstance(action, Send) and (message := reply(action.data)):  # type: ignore[operator]
                heard += session.feed(_HEAD + len(message).to_bytes(2) + message)
        actions = heard or session.timeout()
    raise AssertionError("a visit without an end")


def _messages(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + 2 < len(data):
        size = int.from_bytes(data[at : at + 2])
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


@target("dlms-client", answers, share=4)
def _client() -> Try:
    """All plans over the wrapper, and the bytes as they are over HDLC; what comes out of a visit can be parsed."""

    def attempt(data: bytes) -> None:
        for plan in _plans():
            said = _messages(data)
            frame = _visit(DlmsSession(WrapperLink(Station()), Access(), plan), lambda _, said=said: next(said, b""))
            if frame is not None:
                with suppress(FrameError):
                    parse(frame)
        link = HdlcLink(Station())
        link.open()
        with suppress(FrameError):
            link.feed(data)

    return attempt
