"""Messages ciphered by security suite 0 (IEC 62056-5-3): pushes of simulated meters, and what the client asks."""

from typing import Final

from meters.wires.dlms.ciphered import TAG_BYTES
from meters.wires.encode.dlms import length
from meters.wires.meter_key import MeterKey

ENCRYPTED: Final = 0x20
AUTHENTICATED: Final = 0x10


def encode_ciphered(
    text: bytes, title: bytes, counter: int, key: MeterKey, *, control: int = AUTHENTICATED | ENCRYPTED, tag: int = 0xDB
) -> bytes:
    """A message in general-glo-ciphering (`tag` 0xDC: general-ded-ciphering); `control` says how it is protected."""
    body = protected(text, title, counter, key, control=control)
    return bytes((tag,)) + length(len(title)) + title + length(len(body)) + body


def protected(text: bytes, title: bytes, counter: int, key: MeterKey, *, control: int) -> bytes:
    """Security control, frame counter, the text encrypted or not, and the tag where `control` has one."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - as in aes_gcm

    nonce = title + counter.to_bytes(4)
    cipher = Cipher(algorithms.AES(key.encryption), modes.GCM(nonce)).encryptor()
    encrypted = bool(control & ENCRYPTED)
    associated = bytes((control,)) + key.authentication if key.authentication else b""
    cipher.authenticate_additional_data(associated if encrypted else associated + text)
    content = cipher.update(text) if encrypted else text
    content += cipher.finalize()
    if control & AUTHENTICATED:
        content += cipher.tag[:TAG_BYTES]
    return bytes((control,)) + counter.to_bytes(4) + content
