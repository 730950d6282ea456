"""Simulated meters on ptys that speak as real ones do, with a load that looks like a household."""

from device.simulator.d0_meter import SimulatedD0Meter
from device.simulator.household import Household, Registers
from device.simulator.iec_meter import SimulatedIecMeter
from device.simulator.meter import Fault, SimulatedMeter
from device.simulator.p1_meter import SimulatedP1Meter
from device.simulator.sml_meter import SimulatedSmlMeter

__all__ = [
    "Fault",
    "Household",
    "Registers",
    "SimulatedD0Meter",
    "SimulatedIecMeter",
    "SimulatedMeter",
    "SimulatedP1Meter",
    "SimulatedSmlMeter",
]
