"""An edge node by the library pysparkplug, run by its own Python: `host port group password`; lines tell it what to do.

`update VALUE` publishes data of its device; `births` says how often it was asked for births; `read TYPE HEX` says what
the library makes of somebody's message.
"""

import json
import sys
import time

import pysparkplug as spb


def metric(value: float) -> spb.Metric:
    """A register by its OBIS code."""
    now = spb.get_current_timestamp()
    return spb.Metric(timestamp=now, name="Meter/1-0:1.8.0", datatype=spb.DataType.DOUBLE, value=value)


def say(text: str) -> None:
    """Answer a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(host: str, port: str, group: str, password: str) -> None:
    """Be born, and do as lines say until they end."""
    births = 0

    def asked(node: spb.EdgeNode, message: spb.Message) -> None:
        nonlocal births
        births += 1

    client = spb.Client(client_id=f"edge-{group}", username="foreign", password=password)
    node = spb.EdgeNode(group, "library", metrics=(metric(0.5),), client=client, cmd_callback=asked)
    node.register(spb.Device("meter-7", metrics=(metric(100.0),)))
    node.connect(host, port=int(port))
    # it connects in a thread of its own, and says nowhere else that it was born
    while not node._connected:
        time.sleep(0.05)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "update":
            node.update_device("meter-7", (metric(float(rest[0])),))
        elif word == "read":
            payload = getattr(spb, rest[0]).decode(bytes.fromhex(rest[1]))
            named = {one.name: one.value for one in payload.metrics} if hasattr(payload, "metrics") else {}
            say(json.dumps({"seq": getattr(payload, "seq", None), "metrics": named}, default=str))
        else:
            say(str(births))
    node.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
