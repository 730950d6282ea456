"""What an MQTT login may do: the grants of each role and of each device, by name; what is not granted is denied."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from broker.contract import outlets
from broker.contract.identity import (
    BRIDGE,
    ENGINEER,
    FOREIGN,
    GATEWAY,
    HOME_ASSISTANT,
    INGESTOR,
    MONITOR,
    OUTLET,
    SPARKPLUG_HOST,
)
from broker.contract.topics import DEFAULT_ROOT, DEVICE_READS, DEVICE_WRITES, Kind, Topics
from broker.sparkplug.topics import NAMESPACE

CONTROL: Final = "$CONTROL/dynamic-security/v1"
"""Where logins and rights are changed."""
CONTROL_ANSWERS: Final = f"{CONTROL}/response"
ADMIN: Final = "wattline-admin"
"""The login by which `wattline broker` speaks to a running broker; its role has the same name."""
DEVICE: Final = "device"
"""The role that all devices share: what is the same for each of them."""
LOGIN_LOG: Final = "$SYS/broker/log/N"
"""Where Mosquitto says, among other things, who was let in and who was refused."""
FOREIGN_ROOTS: Final = (
    "tele/#", "stat/#", "tasmota/#", "esphome/#", "+/sensor/+/state", "shellies/#", "+/events/rpc", "+/status/+",
    "+/online", "zigbee2mqtt/#", "solar/#", "opendtu/#", "evcc/#", "amsreader/#", "ams/#", f"{NAMESPACE}/#",
    "foreign/#",
)  # fmt: skip
"""Where other people's devices publish at our broker, as their makers have it; `foreign/` is for whatever else."""
FOREIGN_ANNOUNCEMENTS: Final = (f"{outlets.HOME_ASSISTANT}/+/+/config", f"{outlets.HOME_ASSISTANT}/+/+/+/config")
"""Where they announce themselves. What of whom stands in the message, which no broker judges."""
_HOME_ASSISTANTS_OWN: Final = f"{outlets.HOME_ASSISTANT}/#"
SPARKPLUG_STATES: Final = f"{NAMESPACE}/STATE/+"
SPARKPLUG_NODE_COMMANDS: Final = f"{NAMESPACE}/+/NCMD/+"
"""What a Sparkplug host application writes: that it is there, and to ask nodes for a new birth (Sparkplug 3.0 6)."""
_OWN: Final = "device:"
_SYSTEM: Final = "$SYS/#"
_ANY_SHARE: Final = "$share/+/"


class Act(StrEnum):
    """What is judged, in Mosquitto's words.

    A will is judged as a publication when it is sent, and so is a retained message; a retained message is judged as
    received when it is given out.
    """

    PUBLISH = "publishClientSend"
    RECEIVE = "publishClientReceive"
    SUBSCRIBE = "subscribePattern"
    UNSUBSCRIBE = "unsubscribePattern"


@dataclass(frozen=True, slots=True)
class Grant:
    """One act on one topic, or on what a filter covers. A filter may be subscribed to that is covered as a whole.

    What is not to be allowed is denied before anything is granted that covers it.
    """

    act: Act
    topic: str
    allow: bool = True


def own_role(device: str) -> str:
    """The name of the role that a device has to itself."""
    return f"{_OWN}{device}"


def device_of_role(role: str) -> str | None:
    """The device whose own role has this name, or None."""
    return role.removeprefix(_OWN) if role.startswith(_OWN) else None


def root_of(filters: Iterable[str]) -> str | None:
    """The topic root, by the filters of the role that all devices share; None where there are none of that kind."""
    end = Topics().all_specs().removeprefix(DEFAULT_ROOT)
    return next((topic.removesuffix(end) for topic in filters if topic.endswith(end)), None)


def device_grants(topics: Topics, device: str) -> tuple[Grant, ...]:
    """What one device may do and no other: write and read below its own `devices/{device}/`, kind by kind."""
    writes = [topics.of(kind, device) for kind in DEVICE_WRITES]
    reads = [topics.commands_of(device) if kind is Kind.COMMAND else topics.of(kind, device) for kind in DEVICE_READS]
    return (*_grants(Act.PUBLISH, writes), *_listening(reads))


def every_device_grants(topics: Topics) -> tuple[Grant, ...]:
    """What each device may do: read the specs, and take back whatever it subscribed to."""
    return (*_listening([topics.all_specs()]), Grant(Act.UNSUBSCRIBE, "#"))


def role_grants(topics: Topics) -> dict[str, tuple[Grant, ...]]:
    """What each role may do that is no device's own."""
    every = topics.every
    heard = (
        Kind.STATUS, Kind.REGISTRATION, Kind.REPORTED, Kind.REPLIES, Kind.EVENTS, Kind.DESIRED, Kind.SOFTWARE_DESIRED,
        Kind.SOFTWARE_REPORTED, Kind.KEYS, Kind.SPEC,
    )  # fmt: skip
    by_hand = _grants(Act.PUBLISH, [every(Kind.DESIRED), every(Kind.SPEC)])
    # a status too: Mosquitto sends no will for a login that it removes, and `online` would be retained for ever
    ours = _grants(
        Act.PUBLISH, [every(Kind.COMMAND), every(Kind.STATUS), every(Kind.SOFTWARE_DESIRED), every(Kind.KEYS)]
    )
    whole = _listening([topics.everything()])
    system = _listening([_SYSTEM])
    leave = Grant(Act.UNSUBSCRIBE, "#")
    control = (Grant(Act.PUBLISH, CONTROL), *_listening([CONTROL_ANSWERS]), leave)
    return {
        INGESTOR: (
            *whole, *system, Grant(Act.SUBSCRIBE, f"{_ANY_SHARE}{topics.everything()}"),
            Grant(Act.PUBLISH, every(Kind.RECEIPTS)), leave,
        ),
        GATEWAY: (
            *_listening([*(every(kind) for kind in heard), LOGIN_LOG]), *by_hand, *ours, *control,
        ),
        ENGINEER: (*whole, *by_hand, leave),
        MONITOR: (*whole, *system, leave),
        BRIDGE: (
            *_listening([*FOREIGN_ROOTS, _HOME_ASSISTANTS_OWN]),
            *_grants(Act.PUBLISH, [SPARKPLUG_STATES, SPARKPLUG_NODE_COMMANDS]), leave,
        ),
        FOREIGN: (
            *_grants(Act.PUBLISH, [*FOREIGN_ROOTS, *FOREIGN_ANNOUNCEMENTS]), *_never_foreign(),
            *_listening([SPARKPLUG_STATES, SPARKPLUG_NODE_COMMANDS]), leave,
        ),
        OUTLET: (*_outlet_grants(), leave),
        HOME_ASSISTANT: (*_home_assistant_grants(), leave),
        SPARKPLUG_HOST: (*_sparkplug_host_grants(), leave),
        DEVICE: every_device_grants(topics),
        ADMIN: control,
    }  # fmt: skip


def _never_foreign() -> list[Grant]:
    """What no foreign device writes: whoever reads it would take what it says for our meters' values, or a host's."""
    ours = (
        f"{outlets.SPARKPLUG_NODES}/#", SPARKPLUG_STATES, f"{outlets.HOME_ASSISTANT_STATES}/#",
        outlets.HOME_ASSISTANT_DEVICES,
    )  # fmt: skip
    return [Grant(Act.PUBLISH, topic, allow=False) for topic in ours]


def _outlet_grants() -> list[Grant]:
    """What the outlet may do: say what is for others, and hear those who ask for it; nothing of the platform's own."""
    configs, node = outlets.HOME_ASSISTANT_DEVICES, outlets.SPARKPLUG_NODES
    writes = [configs, f"{outlets.HOME_ASSISTANT_STATES}/#", f"{node}/#"]
    heard = [configs, outlets.HOME_ASSISTANT_BIRTHS, f"{node}/NCMD/+", SPARKPLUG_STATES]
    return [*_grants(Act.PUBLISH, writes), *_listening(heard)]


def _home_assistant_grants() -> list[Grant]:
    """What a Home Assistant may do at our broker: write its own prefix, and hear our meters and nobody else's.

    It believes whatever it is given, and a foreign device's announcement may name the id of a meter of ours. So it may
    subscribe to all of its prefix, as it does, but is given what no foreign device may write.
    """
    own, states = _HOME_ASSISTANTS_OWN, f"{outlets.HOME_ASSISTANT_STATES}/#"
    given = [outlets.HOME_ASSISTANT_DEVICES, outlets.HOME_ASSISTANT_BIRTHS, states]
    return [Grant(Act.PUBLISH, own), *_grants(Act.SUBSCRIBE, [own, states]), *_grants(Act.RECEIVE, given)]


def _sparkplug_host_grants() -> list[Grant]:
    """What a host application of Sparkplug may do: hear all edge nodes, send commands, say that it is there."""
    writes = [f"{NAMESPACE}/+/NCMD/+", f"{NAMESPACE}/+/DCMD/+/+", f"{NAMESPACE}/STATE/+"]
    return [*_grants(Act.PUBLISH, writes), *_listening([f"{NAMESPACE}/#"])]


def _listening(filters: Iterable[str]) -> list[Grant]:
    """To subscribe to these, or to a part of one, and to receive what comes by it."""
    return [Grant(act, topic) for topic in filters for act in (Act.SUBSCRIBE, Act.RECEIVE)]


def _grants(act: Act, topics: Iterable[str]) -> list[Grant]:
    return [Grant(act, topic) for topic in topics]
