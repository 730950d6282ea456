"""AES-128-GCM as DLMS security suite 0 has it (IEC 62056-5-3 5.3.3).

The library is imported only where there is a key to use: an agent without keys does without its memory, and a laptop
that decodes nothing ciphered without the package.
"""

from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.ciphered import TAG_BYTES, Ciphered
from meters.wires.meter_key import MeterKey

_FIRST_BLOCK: Final = (2).to_bytes(4)
"""The counter of the first block of text; block 1 is the tag's (NIST SP 800-38D 7.1)."""


def decipher(message: Ciphered, key: MeterKey) -> tuple[bytes, bool]:
    """The text of a message, and whether its tag was checked.

    A tag is checked by the authentication key; where none is known, by those ways in which meters do without one.
    Raises FrameError `tag_mismatch` where an authentication key is given and the tag does not fit.
    """
    nonce = message.title + message.counter.to_bytes(4)
    control = bytes((message.control,))
    if not message.tag:
        return _without_tag(message, key, nonce), False
    known = key.authentication
    for associated in (control + known,) if known else (b"", control):
        text = _checked(message, key, nonce, associated)
        if text is not None:
            return text, True
    if known:
        raise FrameError("tag_mismatch", "the tag does not fit: a wrong key, or a message that was changed")
    return _without_tag(message, key, nonce), False


def _checked(message: Ciphered, key: MeterKey, nonce: bytes, associated: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    mode = modes.GCM(nonce, message.tag, min_tag_length=TAG_BYTES)
    cipher = Cipher(algorithms.AES(key.encryption), mode).decryptor()
    # what is only authenticated is no text of the cipher but belongs to what its tag covers
    cipher.authenticate_additional_data(associated if message.encrypted else associated + message.content)
    text = cipher.update(message.content) if message.encrypted else message.content
    try:
        cipher.finalize()
    except InvalidTag:
        return None
    return text


def _without_tag(message: Ciphered, key: MeterKey, nonce: bytes) -> bytes:
    if not message.encrypted:
        return message.content
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - see above

    cipher = Cipher(algorithms.AES(key.encryption), modes.CTR(nonce + _FIRST_BLOCK)).decryptor()
    return cipher.update(message.content) + cipher.finalize()
