"""Every topic of the contract with its QoS and retain flag; the only place where a topic string stands."""

import re
from dataclasses import dataclass
from enum import StrEnum

from broker.errors import ContractError
from broker.patterns import is_name

DEFAULT_ROOT = "wattline/v1"
"""What every topic begins with, unless the settings of the whole platform say otherwise."""


class Kind(StrEnum):
    """The kinds of messages, named as the contract table in README names them."""

    STATUS = "status"
    REGISTRATION = "registration"
    READINGS = "readings"
    FRAMES = "frames"
    EVENTS = "events"
    DESIRED = "config/desired"
    REPORTED = "config/reported"
    COMMAND = "commands"
    REPLIES = "replies"
    RECEIPTS = "receipts"
    SOFTWARE_DESIRED = "software/desired"
    SOFTWARE_REPORTED = "software/reported"
    KEYS = "keys"
    SPEC = "specs"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a kind of message travels."""

    qos: int
    retain: bool


DELIVERY: dict[Kind, Delivery] = {
    Kind.STATUS: Delivery(1, retain=True),
    Kind.REGISTRATION: Delivery(1, retain=False),
    Kind.READINGS: Delivery(1, retain=False),
    Kind.FRAMES: Delivery(1, retain=False),
    Kind.EVENTS: Delivery(1, retain=False),
    Kind.DESIRED: Delivery(1, retain=True),
    Kind.REPORTED: Delivery(1, retain=True),
    Kind.COMMAND: Delivery(1, retain=False),
    Kind.REPLIES: Delivery(1, retain=False),
    # one that is lost costs a repeat of what it spoke of, and the repeat gives it again
    Kind.RECEIPTS: Delivery(0, retain=False),
    Kind.SOFTWARE_DESIRED: Delivery(1, retain=True),
    Kind.SOFTWARE_REPORTED: Delivery(1, retain=True),
    # sealed to the device's own key: what a broker keeps of it on its disk is of no use to anybody else
    Kind.KEYS: Delivery(1, retain=True),
    Kind.SPEC: Delivery(1, retain=True),
}

DEVICE_WRITES = (
    Kind.STATUS,
    Kind.REGISTRATION,
    Kind.READINGS,
    Kind.FRAMES,
    Kind.EVENTS,
    Kind.REPORTED,
    Kind.REPLIES,
    Kind.SOFTWARE_REPORTED,
)
"""What a device may publish, below its own `devices/{device}/` only."""
DEVICE_READS = (Kind.DESIRED, Kind.COMMAND, Kind.RECEIPTS, Kind.SOFTWARE_DESIRED, Kind.KEYS)
"""What a device may subscribe to and receive, below its own `devices/{device}/` only; beside it the specs, which are
everybody's."""


@dataclass(frozen=True, slots=True)
class Address:
    """A topic taken apart: its kind and the names that it carries."""

    kind: Kind
    device: str = ""
    command: str = ""
    spec: str = ""
    version: int = 0


class Topics:
    """Topic names and filters below one root, for example `wattline/v1`.

    Raises ContractError for a root or name that would not survive as a topic level.
    """

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        if not all(is_name(level) for level in root.split("/")):
            raise ContractError(
                f"{root!r} is no topic root", field="root", fix="levels of letters, digits, . _ - joined by /"
            )
        self.root = root
        self._devices = f"{root}/devices/"
        self._specs = f"{root}/specs/"

    def of(self, kind: Kind, device: str) -> str:
        """The topic of a message of one device; commands and specs have methods of their own."""
        if kind in (Kind.COMMAND, Kind.SPEC):
            raise ContractError(f"{kind} topics carry more than a device", field="kind", fix="use command() or spec()")
        return f"{self._devices}{_name(device, 'device')}/{kind}"

    def command(self, device: str, command: str) -> str:
        """The topic on which a device takes one command."""
        return f"{self._devices}{_name(device, 'device')}/{Kind.COMMAND}/{_name(command, 'command')}"

    def spec(self, spec: str, version: int) -> str:
        """The topic of one immutable spec document; `version` counts from 1."""
        if version < 1:
            raise ContractError(f"{version} is no version", field="version", fix="versions count from 1")
        return f"{self._specs}{_name(spec, 'spec')}/{version}"

    def every(self, kind: Kind) -> str:
        """The filter of one kind of message from all devices (or all specs, or all commands)."""
        if kind is Kind.SPEC:
            return f"{self._specs}+/+"
        return f"{self._devices}+/{kind}" + ("/+" if kind is Kind.COMMAND else "")

    def commands_of(self, device: str) -> str:
        """The filter of all commands to one device."""
        return f"{self._devices}{_name(device, 'device')}/{Kind.COMMAND}/#"

    def all_specs(self) -> str:
        """The filter of all specs."""
        return f"{self._specs}#"

    def everything(self) -> str:
        """The filter of all below the root."""
        return f"{self.root}/#"

    def parse(self, topic: str) -> Address:
        """Take a topic apart. Raises ContractError for one that the contract does not know."""
        if topic.startswith(self._devices):
            device, _, rest = topic[len(self._devices) :].partition("/")
            if is_name(device):
                kind = _DEVICE_KINDS.get(rest)
                if kind is not None:
                    return Address(kind, device=device)
                head, _, command = rest.partition("/")
                if head == Kind.COMMAND and is_name(command):
                    return Address(Kind.COMMAND, device=device, command=command)
        elif topic.startswith(self._specs):
            spec, _, version = topic[len(self._specs) :].partition("/")
            if is_name(spec) and re.fullmatch(r"[1-9][0-9]{0,8}", version):
                return Address(Kind.SPEC, spec=spec, version=int(version))
        raise ContractError("unknown topic", field=topic[:200], fix=f"see the contract table below {self.root}")

    def sender(self, topic: str) -> str:
        """The device below whose own level a topic lies, whether the contract knows it or not; '' where there is none.

        Nobody else may publish there.
        """
        if not topic.startswith(self._devices):
            return ""
        device = topic[len(self._devices) :].partition("/")[0]
        return device if is_name(device) else ""


_DEVICE_KINDS = {str(kind): kind for kind in Kind if kind not in (Kind.COMMAND, Kind.SPEC)}


def shared(group: str, topic_filter: str) -> str:
    """The shared subscription (MQTT 5 4.8.2) of a filter for a group of consumers."""
    return f"$share/{_name(group, 'group')}/{topic_filter}"


def is_shared(topic_filter: str) -> bool:
    """Whether a filter is that of a shared subscription."""
    return topic_filter.startswith("$share/")


def _name(text: str, field: str) -> str:
    if not is_name(text):
        raise ContractError(f"{text[:80]!r} is no name", field=field, fix="1 to 64 letters, digits, . _ -")
    return text
