"""What keys of a meter must look like. Pure."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from gateway.faults import Fault, Kind, Refusal

KeyKind = Literal["encryption", "authentication", "password"]
KEY_DIGITS: Final = 32
KEY: Final = "([0-9A-Fa-f]{2}[ :]?){15}[0-9A-Fa-f]{2}"
"""16 octets in hex, with blanks or colons between them or not."""
PASSWORD: Final = "[ -~]{1,64}"  # noqa: S105 - what one looks like


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """What is known of a meter, in one spelling. Raises Refusal that names the field and shows nothing of it."""
    found, faults = dict[str, str](), list[Fault]()
    for kind in ("encryption", "authentication"):
        text = given.get(kind, "").strip()
        if re.fullmatch(KEY, text):
            found[kind] = re.sub("[ :]", "", text).lower()
        elif text:
            faults.append(Fault(kind, "no key of 16 octets", f"give {KEY_DIGITS} hex digits, as operators do"))
    if password := given.get("password", ""):
        found["password"] = password
        if not re.fullmatch(PASSWORD, password):
            faults.append(Fault("password", "no password of a meter", "at most 64 printable ASCII characters"))
    if "authentication" in found and "encryption" not in found and not faults:
        faults.append(Fault("encryption", "an authentication key alone deciphers nothing", "give the encryption key"))
    if not found and not faults:
        faults.append(Fault("encryption", "no key is given", f"give {KEY_DIGITS} hex digits"))
    if faults:
        raise Refusal(Kind.INVALID, "; ".join(map(str, faults)), faults)
    return found


def usable(
    authentication: str | None, *, key_ref: str | None, password_ref: str | None, ciphered: bool
) -> tuple[KeyKind, ...]:
    """Which secrets a meter can use: by what its spec says of DLMS, of its decoding and of its history.

    `authentication` is how it is asked by DLMS; `ciphered`: its telegrams are.
    """
    asked = authentication not in (None, "none")
    keys = ciphered or authentication == "hls5" or (key_ref is not None and not asked)
    password = authentication == "lls" or password_ref is not None
    found: tuple[KeyKind, ...] = ("encryption", "authentication") if keys else ()
    return (*found, "password") if password else found
