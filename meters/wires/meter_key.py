"""The key of one meter, and what is said where a ciphered telegram has none, or has the wrong one."""

from dataclasses import dataclass
from typing import Final, Self

from broker.errors import ContractError, FrameError

KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True, repr=False)
class MeterKey:
    """Security suite 0 (IEC 62056-5-3 5.3): the encryption key, and the authentication key where it is known.

    It never shows its octets: not in a log, an error or a traceback.
    """

    encryption: bytes
    authentication: bytes = b""

    def __post_init__(self) -> None:
        for name, key in (("encryption", self.encryption), ("authentication", self.authentication)):
            if len(key) != KEY_BYTES and (name == "encryption" or key):
                raise ContractError(f"{len(key)} octets", field=f"key.{name}", fix="an AES-128 key has 16 octets")

    def __repr__(self) -> str:
        return "MeterKey(***)"

    @classmethod
    def parse(cls, encryption: str, authentication: str = "") -> Self:
        """Keys of 32 hex digits each, with blanks or not. Raises ContractError that does not show them."""
        keys = []
        for name, text in (("encryption", encryption), ("authentication", authentication)):
            try:
                keys.append(bytes.fromhex(text))
            except ValueError:
                fix = "give 32 hex digits, as the grid operator states it"
                raise ContractError("no hex digits", field=f"key.{name}", fix=fix) from None
        return cls(*keys)


class KeyNeededError(FrameError):
    """A whole ciphered frame that nobody can read without its meter's key; `title` names the meter in clear."""

    def __init__(self, title: str, what: str, *, data: bytes = b"") -> None:
        detail = f"{what}, system title {title}: its readings need the meter's key, which the grid operator gives out"
        super().__init__("key_needed", detail, data=data)
        self.title = title
