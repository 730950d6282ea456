"""Simulated meters on ptys that speak as real ones do, with a load that looks like a household."""

from device.simulator.d0_meter import SimulatedD0Meter
from device.simulator.dlms import SimulatedDlmsMeter, SimulatedPolledDlmsMeter
from device.simulator.household import Household, Registers
from device.simulator.iec_meter import SimulatedIecMeter
from device.simulator.mbus_meter import SimulatedMbusMeter
from device.simulator.meter import Fault, SimulatedMeter
from device.simulator.modbus_meter import SimulatedModbusMeter
from device.simulator.p1_meter import SimulatedP1Meter
from device.simulator.sml_meter import SimulatedSmlMeter

__all__ = [
    "Fault",
    "Household",
    "Registers",
    "SimulatedD0Meter",
    "SimulatedDlmsMeter",
    "SimulatedIecMeter",
    "SimulatedMbusMeter",
    "SimulatedMeter",
    "SimulatedModbusMeter",
    "SimulatedP1Meter",
    "SimulatedPolledDlmsMeter",
    "SimulatedSmlMeter",
]
