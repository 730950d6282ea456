"""Keys of meters on their way to the device that reads them: the message below `devices/{device}/keys`.

It is retained and sealed to the key of the device's certificate (broker/sealed_box.py): brokers and their disks, and
whoever else may read there, have nothing of it.
"""

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints

from broker.contract.messages import Bytes, Message, MeterKey, Name
from broker.errors import ContractError
from broker.patterns import whole

MOST_METERS: Final = 256
Version = Annotated[int, Field(ge=1, le=2**53)]
KeyText = Annotated[str, StringConstraints(pattern=whole("[0-9a-f]{32}"))]


class SealedKeys(Message):
    """What is published: `to` is the SHA-256 of the public key (SubjectPublicKeyInfo) that it is sealed to, in hex.

    `version` rises with each change, so that a device refuses what it had before.
    """

    version: Version
    to: Annotated[str, StringConstraints(pattern=whole("[0-9a-f]{64}"))]
    sealed: Annotated[Bytes, Field(max_length=256 * 1024)]


class KnownKeys(Message):
    """What is known of one meter, in hex but for the password."""

    model_config = ConfigDict(hide_input_in_errors=True)

    encryption: KeyText | None = None
    authentication: KeyText | None = None
    password: Annotated[str, StringConstraints(max_length=64)] | None = None

    def __repr__(self) -> str:
        return "KnownKeys(***)"

    def __str__(self) -> str:
        return repr(self)


class DeviceKeys(Message):
    """What is sealed: the keys of all meters that stand at the device's ports; of others it has to forget them."""

    model_config = ConfigDict(hide_input_in_errors=True)

    device: Name
    version: Version
    meters: Annotated[dict[MeterKey, KnownKeys], Field(max_length=MOST_METERS)] = Field(default_factory=dict)

    @staticmethod
    def context(device: str, version: int) -> bytes:
        """What it is sealed for: it can be opened as nothing else."""
        return f"{device} {version}".encode()

    @classmethod
    def opened(cls, payload: bytes, device: str, version: int) -> Self:
        """Read what was opened. Raises ContractError, which shows nothing of it, where it is for others."""
        found = cls.parse(payload)
        if (found.device, found.version) != (device, version):
            raise ContractError("it was sealed for another device or version", field="sealed")
        return found
