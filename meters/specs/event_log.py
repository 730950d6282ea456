"""The section of a spec that says how a product's event log is read, and what its codes and status bits mean."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from meters.specs.sections import VDEW_STATUS, FactName, SecretName
from meters.specs.stamps import check_layout
from meters.specs.types import Address, Bit, Code, Section, Zone
from meters.telegram import Wire

VDEW_LOG_STATUS: Final = VDEW_STATUS | {
    "reset": 4, "settings_changed": 8, "log_cleared": 13, "profile_cleared": 14, "before_clock_set": 15,
}  # fmt: skip
"""A log's status word by VDEW-Lastenheft 2.1, as LEM tables it (EM4T II, V1.0 of 2020, table 4.5)."""
IDIS_CODES: Final = {
    1: "power_down", 2: "power_up", 3: "summer_time_changed", 4: "clock_adjusted_old", 5: "clock_adjusted_new",
    6: "clock_invalid", 7: "replace_battery", 8: "battery_low", 9: "tariff_activated", 10: "errors_cleared",
    11: "alarms_cleared", 12: "program_memory_error", 13: "ram_error", 14: "nv_memory_error", 15: "watchdog_error",
    16: "measurement_error", 17: "firmware_ready", 18: "firmware_activated", 19: "tariff_programmed",
    40: "terminal_cover_removed", 41: "terminal_cover_closed", 42: "strong_field", 43: "strong_field_gone",
    44: "meter_cover_removed", 45: "meter_cover_closed", 46: "login_failed", 47: "settings_changed",
    **{76 + phase: f"undervoltage_l{phase + 1}" for phase in range(3)},
    **{79 + phase: f"overvoltage_l{phase + 1}" for phase in range(3)},
    **{82 + phase: f"phase_lost_l{phase + 1}" for phase in range(3)},
    **{85 + phase: f"voltage_normal_l{phase + 1}" for phase in range(3)},
    255: "log_cleared",
}  # fmt: skip
"""Event codes of IDIS and DSMR P3, one table over their standard, fraud and quality logs (0-0:99.98.0, .1 and .4)."""
GRAVE: Final = (
    "fatal_error", "disturbed", "program_memory_error", "ram_error", "nv_memory_error", "measurement_error",
    "terminal_cover_removed", "meter_cover_removed", "strong_field", "login_failed",
)  # fmt: skip
EventCode = Annotated[int, Field(ge=0, le=2**32 - 1)]


class EventLog(Section):
    """How the product's event log is read: P.98 (or P.99) in the programming mode of IEC 62056-21, or by DLMS.

    An entry says what happened by a code in a column of its own, or by the bits of its status word.
    """

    method: Literal["p.98", "p.99", "profile_generic"] = "p.98"
    logs: Annotated[tuple[Code, ...], Field(min_length=1, max_length=8)] = ("0-0:99.98.0",)
    """Of DLMS: the codes of the profile generics that are its logs."""
    command: Literal["R5", "R6"] = "R5"
    password_ref: SecretName | None = None
    """As in `history`."""
    stamp: Annotated[str, StringConstraints(pattern=r"^[YMDhmsS :.-]{8,20}$")] = "sYYMMDDhhmm"
    stamps_in: Literal["local", "standard", "utc"] = "utc"
    zone: Zone | None = None
    code_from: Address | None = None
    """The column with the code, as its header names it; left out, the first one of event codes (96.11, C.11)."""
    table: Literal["none", "idis"] = "none"
    codes: Annotated[dict[EventCode, FactName], Field(max_length=256)] = Field(default_factory=dict)
    """What codes mean, before what the table says."""
    status: Annotated[dict[FactName, Bit], Field(max_length=64)] = Field(default_factory=lambda: dict(VDEW_LOG_STATUS))
    """What the bits of an entry's status word mean, by number: for entries without a code."""
    warn: Annotated[tuple[FactName, ...], Field(max_length=64)] = GRAVE
    """Meanings that are warnings; all others are told as information."""

    @property
    def protocol(self) -> Wire:
        """Whose method it is."""
        return Wire.DLMS if self.method == "profile_generic" else Wire.IEC62056_21

    def meaning_of(self, code: int) -> str:
        """What a code means, '' where nobody says."""
        return self.codes.get(code) or (IDIS_CODES.get(code, "") if self.table == "idis" else "")

    @model_validator(mode="after")
    def _layout(self) -> Self:
        check_layout(self.stamp)
        return self
