"""Simulated DLMS meters: one that pushes its lists, and one that waits to be asked."""

from device.simulator.dlms.polled_meter import SimulatedPolledDlmsMeter
from device.simulator.dlms.pushing_meter import SimulatedDlmsMeter

__all__ = ["SimulatedDlmsMeter", "SimulatedPolledDlmsMeter"]
