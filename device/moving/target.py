"""Where the broker is to be found, as the platform says it or as the device's own settings do."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field

from broker.contract.address import authority_pem
from broker.contract.messages import Message, Parameters
from broker.runtime.settings import BrokerAddress
from device.files import write_atomically

FIELDS = ("broker_address", "broker_authority", "enrol_url")
"""The parameters that say it together."""


class Target(Message):
    """A place of the broker; without `address` that of the device's own settings."""

    address: Annotated[str, Field(max_length=1024)] = ""
    authority: Annotated[str, Field(max_length=16384)] = ""
    enrol_url: Annotated[str, Field(max_length=1024)] = ""

    @property
    def name(self) -> str:
        """For people."""
        return self.address or "the address of its own settings"


HOME = Target()


def wished(parameters: Parameters, own: BrokerAddress) -> Target | None:
    """Where the platform wants the device to be; None where it says nothing of it: then it stays where it is."""
    if not parameters.broker_address:
        return None
    wish = Target(
        address=parameters.broker_address, authority=parameters.broker_authority, enrol_url=parameters.enrol_url
    )
    nodes = own.model_copy(update={"host": wish.address}).nodes()
    at_home = [(node.host, node.port) for node in nodes] == [(node.host.lower(), node.port) for node in own.nodes()]
    return HOME if at_home and not (wish.authority or wish.enrol_url) else wish


def part_of(parameters: Parameters) -> dict[str, str]:
    """What of a configuration wants the device to be elsewhere, by field."""
    return {f"parameters.{name}": value for name in FIELDS if (value := getattr(parameters, name))}


def authority_file(target: Target, folder: Path) -> Path:
    """Where the target's CA lies."""
    return folder / f"broker-{hashlib.sha256(target.authority.encode()).hexdigest()[:16]}.pem"


def address_of(target: Target, own: BrokerAddress, folder: Path) -> BrokerAddress:
    """How the broker is reached there; what lets us in is the same.

    Raises PermanentError where a password would go there without TLS, OSError where the disk does not take the CA.
    """
    if not target.address:
        return own
    changes: dict[str, object] = {"host": target.address}
    if target.authority:
        file = authority_file(target, folder)
        pem = authority_pem(target.authority).encode()
        # the text that was told counts, whatever became of the file
        if not file.exists() or file.read_bytes() != pem:
            write_atomically(file, pem, mode=0o600)
        changes["tls_ca"] = file
    # whose CA we are only told of shall not have others' times passed over
    address = own.told(changes) if target.authority else own.model_copy(update=changes)
    address.check_plaintext()
    address.tls()
    return address
