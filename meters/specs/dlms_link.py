"""The `link.dlms` section of a spec: as whom a polled DLMS meter is asked, by what, and for which objects."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from meters.specs.types import Code, Section

MAX_OBJECTS: Final = 96
Octets = Literal[1, 2, 4]


class DlmsObject(Section):
    """One object that is read, by its code and class (IEC 62056-62): its value, and its scaler where it has one."""

    obis: Code
    kind: Annotated[Literal[1, 3, 4, 5, 8], Field(alias="class")] = 3
    """1 data, 3 register, 4 extended register, 5 demand register (its last average), 8 clock."""


class DlmsLink(Section):
    """Client, server and secret; `decode.key_ref` names the password of `lls`, or the keys of `hls5`.

    Until its spec is known a meter is asked by the public client, 16, without a secret.
    """

    client: Annotated[int, Field(ge=1, le=127)] = 16
    logical: Annotated[int, Field(ge=0, le=0x3FFF)] = 1
    """The server's logical device; 1 is the management device, which every meter has."""
    physical: Annotated[int, Field(ge=0, le=0x3FFF)] = 0
    """The server's physical device behind HDLC, 0 where there is none; the setting BUS counts more."""
    octets: Octets | None = None
    """The length of the server's HDLC address where it is not the shortest that holds it."""
    authentication: Literal["none", "lls", "hls5"] = "none"
    set_clock: bool = False
    """Whether a person may have its clock set by the command set_meter_clock; nothing else is ever set."""
    objects: Annotated[tuple[DlmsObject, ...], Field(max_length=MAX_OBJECTS)] = ()
    """What is read; all that the meter lists itself where left out."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        most = {None: 0x3FFF, 1: 0x7F, 2: 0x7F, 4: 0x3FFF}[self.octets]
        if max(self.logical, self.physical) > most or (self.octets == 1 and self.physical):
            raise ValueError(f"{self.logical} and {self.physical} do not fit an address of {self.octets} octets")
        return self
