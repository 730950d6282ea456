"""Another meter than the one that was read live has answered: a swap in between, or a wrong address on a bus."""

from broker.errors import FrameError
from device.history.tries import OTHER_METER
from device.readings.context import Context
from device.readings.intake import Intake


def told_of_another(context: Context, meter: Intake, path: str, key: str, answered: str) -> FrameError:
    """Tell that `answered` ('' where it does not say who it is) gave what was asked of `key`, and read it live soon.

    What it gave is nobody's until it is read live itself.
    """
    fix = "what it keeps is read once it is read live; where it is the same meter, see history in its spec"
    context.outgoing.event("history_other_meter", "warning", meter=key, port=path, answered=answered or None, fix=fix)
    meter.read_now()
    return FrameError(OTHER_METER, f"{answered or 'a meter that does not say who it is'} answered for {key}")
