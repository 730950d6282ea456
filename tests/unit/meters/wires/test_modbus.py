"""Modbus on the wire and by a spec: exchanges, exceptions, values, identities, SunSpec, planned reads, sessions."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError, FrameError
from meters.decoding.engine import decode
from meters.decoding.registers import typed
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, spec_from
from meters.telegram import Frame, Wire
from meters.wires.capture_text import unwrap
from meters.wires.encode.modbus import Bank, octets
from meters.wires.iec62056_signon import Action, Done, Failed, Send
from meters.wires.modbus.frames import Read, crc, exchanges, rtu, tcp_reply, tcp_request
from meters.wires.modbus.identity import OBJECTS, facts_of, next_identifying
from meters.wires.modbus.scan import ModbusScan
from meters.wires.modbus.scanner import ModbusFramer
from meters.wires.modbus.session import ModbusSession, one_by_one
from meters.wires.modbus.telegram import parse_modbus
from meters.wires.modbus.values import number

SPECS = {spec.name: spec for spec in catalogue()}


def spec(*registers: dict[str, Any], **more: Any) -> Spec:
    """A spec with these registers."""
    document = {
        "name": "test", "version": 1, "product": {"name": "x"}, "match": {"protocol": "modbus"}, "source": ["test"],
        "standard": True, "time": {"source": "device"}, "registers": {"list": list(registers), **more},
    }  # fmt: skip
    return spec_from(document, origin="test")


@pytest.mark.field
def test_every_value_of_the_field(field: Path) -> None:
    """Each capture is one frame of its exchanges, and each register has its value."""
    expected: dict[str, Any] = json.loads((field / "modbus" / "expected.json").read_text())
    for name, wanted in expected.items():
        framer = ModbusFramer()
        line = unwrap((field / name).read_bytes())
        (frame,) = framer.feed(line) + framer.finish()
        assert isinstance(frame, Frame)
        assert len(exchanges(frame.data)) == wanted["telegrams"], name
        for what, (value, _) in wanted["first"].items():
            function, _, address, kind = what.removeprefix("fc").split()
            map_ = spec({"at": address, "is": "value", "type": kind, "function": int(function)})
            (record,) = typed(map_, parse_modbus(frame)).records
            assert float(record.value or 0) == pytest.approx(value, rel=1e-5), what


@pytest.mark.parametrize(
    ("data", "kind", "little", "value"),
    [
        ("43663333", "float32", False, "230.2"), ("33334366", "float32", True, "230.2"),
        ("7fc00000", "float32", False, None), ("7f800000", "float32", False, None), ("00000000", "float32", False, "0"),
        ("40fe240c9fbe76c9", "float64", False, "123456.789"), ("ffff", "int16", False, "-1"),
        ("8000", "int16", False, None), ("ffff", "uint16", False, None), ("000186a0", "uint32", False, "100000"),
        ("86a00001", "uint32", True, "100000"),
        ("ffffffff", "uint32", False, None), ("7fffffffffffffff", "int64", False, None),
        ("0004000300020001", "uint64", True, "281483566841860"),
    ],
)  # fmt: skip
def test_values_of_every_type(data: str, kind: str, value: str | None, *, little: bool) -> None:
    """Both word orders; what marks a value that is not there is none."""
    assert number(bytes.fromhex(data), kind, little=little) == (None if value is None else Decimal(value))


def bank(unit: int = 1) -> Bank:
    """A unit with a few registers."""
    found = Bank(unit)
    found.put(4, 0, octets(230.1, "float32") + octets(2.25, "float32"))
    found.put(4, 10, octets(12345, "uint32"))
    return found


READS = [Read(4, 0, 4), Read(4, 10, 2)]


def test_a_refused_read_is_left_out_and_a_unit_that_refuses_all_is_an_error() -> None:
    """Exceptions are answers: the others are read; nothing else is an error of the meter that names its reason."""
    data = bank().exchanged([Read(4, 500, 2), *READS])
    assert [record.address for record in parse_modbus(Frame(Wire.MODBUS, data)).records] == ["4:0x0000", "4:0x000a"]
    with pytest.raises(FrameError, match="illegal address") as caught:
        parse_modbus(Frame(Wire.MODBUS, bank().exchanged([Read(4, 500, 2)])))
    assert caught.value.reason == "meter_error"


def test_a_poll_that_is_asked_for_again_is_another_frame() -> None:
    """On a line that another master polls a frame ends where a register is asked for again, or another unit is."""
    one, two = bank().exchanged(READS), bank(2).exchanged(READS)
    framer = ModbusFramer()
    found = framer.feed(b"\x00" + one + one + two + b"\xff" + one[:9]) + framer.finish()
    assert [event.data for event in found] == [one, one, two]
    assert framer.skipped == 11


POLL = bank().exchanged(READS)


@given(
    st.lists(st.one_of(st.sampled_from([POLL, POLL[:9]]), st.binary(max_size=9))), st.lists(st.integers(1, 30))
)  # fmt: skip
def test_slices_change_nothing(parts: list[bytes], cuts: list[int]) -> None:
    """Exchanges amid noise come out alike in any slices; every byte is given once or counted."""
    stream = b"".join(parts)
    whole, sliced, found, start = ModbusFramer(), ModbusFramer(), [], 0
    for cut in cuts:
        found += sliced.feed(stream[start : start + cut])
        start += cut
    found += sliced.feed(stream[start:]) + sliced.finish()
    expected = whole.feed(stream) + whole.finish()
    assert [event.data for event in found] == [event.data for event in expected]
    assert whole.skipped + sum(len(event.data) for event in expected) == len(stream)


@pytest.mark.parametrize("place", range(40))
def test_a_changed_octet_gives_no_reading(place: int) -> None:
    """Whatever octet is wrong, no exchange comes of it that was not there."""
    data = bytearray(bank().exchanged(READS))
    data[place % len(data)] ^= 0x10
    framer = ModbusFramer()
    whole = {bank().exchanged([read]) for read in READS}
    assert all(event.data in whole for event in framer.feed(bytes(data)) + framer.finish())


@pytest.mark.parametrize(
    ("more", "reads"),
    [
        ({}, [(0, 4), (100, 2), (222, 2), (400, 2)]),
        ({"max_gap": 0}, [(0, 4), (100, 2), (222, 2), (400, 2)]),
        ({"max_gap": 125}, [(0, 102), (222, 2), (400, 2)]),
        ({"max_gap": 120, "max_count": 20}, [(0, 4), (100, 2), (222, 2), (400, 2)]),
    ],
)
def test_reads_are_as_few_as_they_may_be(more: dict[str, Any], reads: list[tuple[int, int]]) -> None:
    """Registers are read together over gaps and up to the most that a reply may hold, in the order of numbers."""
    registers = spec(*[{"at": at, "is": f"r{at}"} for at in (222, 100, 2, 0, 400)], **more).registers
    assert registers is not None
    assert [(read.address, read.count) for read in registers.reads()] == reads


@pytest.mark.parametrize(
    ("registers", "field"),
    [
        ({"list": [{"at": "0x10000", "is": "x"}]}, "registers.list.0.at"),
        ({"list": [{"at": "5g", "is": "x"}]}, "registers.list.0.at"),
        ({"list": [{"at": 65535, "is": "x"}]}, "registers"),
        ({"list": [{"at": 1, "is": "x", "type": "float64"}], "max_count": 2}, "registers"),
        ({"list": []}, "registers.list"),
        ({"list": [{"at": 1, "is": "x", "type": "float"}]}, "registers.list.0.type"),
        ({"list": [{"at": 1, "is": "x"}], "function": 6}, "registers.function"),
    ],
)
def test_registers_that_cannot_be(registers: dict[str, Any], field: str) -> None:
    """A wrong map is refused with the field's path; no spec can ask for a write."""
    document = {
        "name": "test", "version": 1, "product": {"name": "x"}, "match": {"protocol": "modbus"}, "source": ["test"],
        "standard": True, "registers": registers,
    }  # fmt: skip
    with pytest.raises(ContractError) as caught:
        spec_from(document, origin="test")
    assert str(caught.value.field).startswith(field)


def identified(unit: Bank, product: str = "") -> tuple[dict[str, str], list[int]]:
    """What is learnt of a unit, and which registers were asked for."""
    data, asked = b"", []
    while (read := next_identifying(exchanges(data), product)) is not None:
        data += unit.exchanged([read])
        asked.append(read.address)
        assert len(asked) < 50
    return facts_of(exchanges(data)), asked


def test_device_identification_names_vendor_and_product() -> None:
    """Function 2B/0E: the objects become facts; a serial is looked for beyond it, and not found."""
    unit = bank()
    unit.objects = ("Siemens AG", "PAC2200", "V1.0")
    facts, _ = identified(unit)
    assert facts == {"manufacturer": "SIE", "vendor": "Siemens AG", "product": "PAC2200", "firmware": "V1.0"}


def test_a_sunspec_chain_is_followed_to_the_meter() -> None:
    """Model 1 names maker, model and serial; models are passed over to the meter's, wherever it begins."""
    unit = Bank()
    common = b"SunS" + octets(1, "uint16") + octets(65, "uint16")
    common += b"".join(octets(text, "", registers=size) for text, size in
                       (("Acme", 16), ("Meter 3", 16), ("", 8), ("1.2", 8), ("77001", 16)))  # fmt: skip
    unit.put(3, 40000, common + bytes(2))
    unit.put(3, 40069, octets(12, "uint16") + octets(4, "uint16") + bytes(8))
    unit.put(3, 40075, octets(203, "uint16") + octets(105, "uint16"))
    facts, asked = identified(unit)
    assert facts == {"manufacturer": "ACM", "vendor": "Acme", "product": "Meter 3", "firmware": "1.2",
                     "serial": "77001", "sunspec": "203@40075"}  # fmt: skip
    assert asked[-2:] == [40069, 40075]


def test_a_chain_without_end_is_given_up() -> None:
    """A model of no length, again and again: bounded."""
    unit = Bank()
    unit.put(3, 40000, b"SunS" + octets(1, "uint16") + bytes(134))
    facts, asked = identified(unit)
    assert "sunspec" not in facts
    assert len(asked) < 50


def test_a_maker_that_is_stated_is_asked_for_alone() -> None:
    """Eastron's serial says nothing of its maker: it is read only where a person says that one stands there."""
    unit = bank()
    unit.put(3, 0xFC00, octets(21346578, "uint32"))
    assert identified(unit)[0] == {}
    facts, asked = identified(unit, "SDM630")
    assert facts == {"manufacturer": "EAS", "serial": "21346578"}
    assert asked == [OBJECTS.address, 0xFC00]


Line = Callable[[bytes], bytes]


def talk(session: ModbusSession | ModbusScan, line: Line, *, slices: int = 1000) -> list[Action | Send]:
    """A session or scan to its end; silence is told once what was heard has been fed."""
    actions: list[Any] = list(session.start())
    for _ in range(2000):
        if not actions or not isinstance(actions[0], Send):
            return actions
        heard = line(actions[0].data)
        actions = []
        for start in range(0, len(heard), slices):
            actions = list(session.feed(heard[start : start + slices])) or actions
        actions = actions or list(session.timeout())
    raise AssertionError("no end")


def serial(unit: Bank, *, echo: bool = False, lost: int = 0, noise: bytes = b"") -> Line:
    """An RTU line with one unit, which loses so many requests."""
    missing = iter(range(lost))

    def answer(data: bytes) -> bytes:
        assert crc(data) == 0
        reply = unit.reply(data[:-2])
        if not reply or next(missing, None) is not None:
            return data if echo else b""
        return (data if echo else b"") + noise + rtu(reply)

    return answer


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("slices", [1, 1000])
@pytest.mark.parametrize("lost", [0, 2])
def test_a_poll_over_a_serial_line(slices: int, lost: int, *, echo: bool) -> None:
    """In any slices, behind an adapter's echo, with lost requests: the frame parses to what the unit has."""
    session = ModbusSession(1, one_by_one(READS))
    (done,) = talk(session, serial(bank(), echo=echo, lost=lost), slices=slices)
    assert isinstance(done, Done)
    assert done.frame.data == bank().exchanged(READS)


@pytest.mark.parametrize(("lost", "noise", "reason"), [(3, b"", "no_answer"), (0, b"\x01\x04\x07", None)])
def test_a_silent_unit_ends_the_poll_and_noise_does_not(lost: int, noise: bytes, reason: str | None) -> None:
    """Three tries for each read; a reply behind noise is found."""
    (end,) = talk(ModbusSession(1, one_by_one(READS)), serial(bank(), lost=lost, noise=noise))
    assert (end.error.reason if isinstance(end, Failed) else None) == reason


def test_a_reply_of_another_unit_or_to_another_read_is_none() -> None:
    """A late reply of other length, or another unit's, is not taken for the answer."""
    other = bank(2).exchanged(READS[1:])[8:]
    late = bank().exchanged(READS[1:])[8:]
    (end,) = talk(ModbusSession(1, one_by_one(READS[:1])), lambda _: other + late)
    assert isinstance(end, Failed)


def tcp(unit: Bank, *, stale: bool = False) -> Line:
    """A connection to one unit; a reply of an earlier request may come first."""

    def answer(data: bytes) -> bytes:
        found = tcp_reply(data)
        assert found is not None
        transaction, body, end = found
        assert end == len(data)
        old = tcp_request(transaction - 1 & 0xFFFF, unit.reply(Read(4, 10, 2).body(1))) if stale else b""
        reply = unit.reply(body)
        return old + (tcp_request(transaction, reply) if reply else b"")

    return answer


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("slices", [1, 1000])
def test_a_poll_over_tcp_gives_the_same_frame(slices: int, *, stale: bool) -> None:
    """The frame is kept as RTU, so that it decodes alike later; replies to earlier requests are passed over."""
    (done,) = talk(ModbusSession(1, one_by_one(READS), tcp=True), tcp(bank(), stale=stale), slices=slices)
    assert isinstance(done, Done)
    assert done.frame.data == bank().exchanged(READS)


def test_what_is_no_modbus_over_tcp_ends_the_poll() -> None:
    """Another protocol at that port: an error, and no wait for ever."""
    (end,) = talk(ModbusSession(1, one_by_one(READS), tcp=True), lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert isinstance(end, Failed)
    assert end.error.reason == "malformed"


def test_units_are_found_within_bounds() -> None:
    """Each is asked once; an exception is an answer, too."""
    units = [bank(3), Bank(17)]
    scan = ModbusScan(units=range(1, 21))
    asked = []

    def line(data: bytes) -> bytes:
        asked.append(data[0])
        return next((rtu(reply) for unit in units if (reply := unit.reply(data[:-2]))), b"")

    talk(scan, line)
    assert (scan.over, scan.found, asked) == (True, [3, 17], list(range(1, 21)))


def test_a_shipped_map_read_by_a_session_gives_its_readings() -> None:
    """The reads that the SDM630's spec plans, polled from a unit, decode to canonical units."""
    shipped = SPECS["eastron-sdm630"]
    assert shipped.registers is not None
    unit = Bank(5)
    for address in range(0x400):
        unit.put(4, address, b"\x00\x00")
    unit.put(4, 0x34, octets(-1234.5, "float32"))
    unit.put(4, 0x48, octets(98765.43, "float32"))
    (done,) = talk(ModbusSession(5, one_by_one(shipped.registers.reads())), serial(unit))
    assert isinstance(done, Done)
    (sample,) = decode(shipped, parse_modbus(done.frame)).samples
    assert sample.values["1-0:16.7.0"] == Decimal("-1.2345")
    assert sample.values["1-0:1.8.0"] == Decimal("98765.43")
