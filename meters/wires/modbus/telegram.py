"""Exchanges of one Modbus unit into a telegram: each read's octets as a record, and the facts that tell the product."""

from broker.errors import FrameError
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.modbus.frames import EXCEPTIONS, exchanges
from meters.wires.modbus.identity import IDENTIFYING, facts_of


def parse_modbus(frame: Frame) -> Telegram:
    """The telegram of exchanges: records are octets as they came, which a spec's registers make numbers of.

    Raises FrameError where the unit refused all that it was asked, and for what is no exchange.
    """
    done = exchanges(frame.data)
    if all(one.exception for one in done):
        code = done[0].exception if done else 0
        why = EXCEPTIONS.get(code, f"exception {code}")
        raise FrameError("meter_error", f"the unit answers with {why}", data=frame.data)
    records: list[Record] = []
    places: dict[str, int] = {}
    for one in done:
        if one.exception or one.read in IDENTIFYING:
            continue
        index = places.get(one.read.name, 0)
        places[one.read.name] = index + 1
        records.append(Record(one.read.name, one.data, index=index))
    return Telegram(Wire.MODBUS, tuple(records), {"unit": str(done[0].unit), **facts_of(done)}, None, (), frame.data)
