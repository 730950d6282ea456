"""One IEC 62056-21 sign-on over an open line: what meters.wires.iec62056_signon decides, done in real time."""

import asyncio

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.ports.line import Line
from meters.telegram import Frame
from meters.wires.iec62056_signon import Done, Failed, Send, SetBaud, SignOn


async def read_out(line: Line, signon: SignOn, *, answer_s: float | None = None) -> Frame | FrameError:
    """Sign on and read; with `answer_s` a meter that says nothing that long is asked once only. Raises LineGoneError.

    A line that never stops talking is given up as a silent one is: only what belongs to a readout counts as heard.
    """
    loop = asyncio.get_running_loop()
    actions = signon.start()
    received = False
    first = True
    while True:
        for action in actions:
            match action:
                case Send(data, after_s):
                    await asyncio.sleep(after_s)
                    line.write(data)
                case SetBaud(baud, after_s):
                    await asyncio.sleep(after_s)
                    # what comes while a meter changes over is its reply: only the first change discards
                    line.configure(LineSettings(baud, 7, "E"), discard=first)
                    first = False
                case Done(frame):
                    return frame
                case Failed(error):
                    return error
        if actions or signon.progressing:
            since_s = loop.time()
        limit_s = signon.deadline_s if received or answer_s is None else min(answer_s, signon.deadline_s)
        rest_s = since_s + limit_s - loop.time()
        data = await line.read(rest_s) if rest_s > 0 else b""
        if not data and answer_s is not None and not signon.identification and not signon.unfollowed:
            return FrameError("no_answer", f"no identification within {limit_s:.1f} s after the request")
        received = received or bool(data)
        actions = signon.feed(data) if data else signon.timeout()
