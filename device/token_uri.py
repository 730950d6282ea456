"""Which key of which token: a PKCS#11 URI (RFC 7512), as the setting has it and as OpenSSL's provider wants it."""

import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

SETTING: Final = "WATTLINE_DEVICE_ENROL__KEY"
EXAMPLE: Final = (
    "pkcs11:token=wattline;object=device"
    "?module-path=/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so&pin-source=/etc/wattline/token.pin"
)
PEM_LABEL: Final = "PKCS#11 PROVIDER URI"
_PEM_VERSION: Final = b"PKCS#11 Provider URI v1.0"
_SCHEME: Final = "pkcs11:"
_LONGEST_LABEL: Final = 32
_PATH: Final = ("token", "serial", "object")
_QUERY: Final = ("module-path", "pin-source")
_SHORT_FORM: Final = 128
_PLAIN: Final = re.compile(r"/[A-Za-z0-9/._+@:-]{1,255}")


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A token, the label of our keys in it, the module that speaks to it, and the file that its PIN is in."""

    token: str
    object: str
    module: str
    pin_file: str
    serial: str = ""

    @classmethod
    def parse(cls, text: str) -> "TokenUri":
        """Of a setting. Raises ValueError that says what is wanted."""
        if not text.startswith(_SCHEME):
            raise ValueError(f"it begins with {_SCHEME} (RFC 7512), as {EXAMPLE}")
        path, _, query = text.removeprefix(_SCHEME).partition("?")
        found = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
        for name in ("token", "object", *_QUERY):
            if not found.get(name):
                raise ValueError(f"{name} is missing; it wants to be like {EXAMPLE}")
        if len(found["object"].encode()) > _LONGEST_LABEL:
            raise ValueError(f"object: a label has at most {_LONGEST_LABEL} bytes")
        pin_file = found["pin-source"]
        if pin_file.startswith("file:"):
            pin_file = pin_file.removeprefix("file:").removeprefix("//")
        for name, place in (("module-path", found["module-path"]), ("pin-source", pin_file)):
            # anything else would mean something in OpenSSL's configuration
            if not _PLAIN.fullmatch(place):
                raise ValueError(f"{name} is a file's path from / on, of letters, digits and ._+@:-")
        return cls(found["token"], found["object"], found["module-path"], pin_file, found.get("serial", ""))

    def of_key(self, key_id: bytes) -> str:
        """For OpenSSL's provider: one private key, by its id; the module is said in its configuration."""
        named = {"token": self.token, "object": self.object} | ({"serial": self.serial} if self.serial else {})
        path = ";".join(f"{name}={quote(value, safe='')}" for name, value in named.items())
        exact = "".join(f"%{byte:02X}" for byte in key_id)
        return f"{_SCHEME}{path};id={exact};type=private?pin-source=file:{quote(self.pin_file)}"

    def configuration(self) -> str:
        """OpenSSL's configuration that loads the provider.

        A module is not ended with the process: SoftHSM, and others that stand on OpenSSL, have ended by then
        (a segmentation fault; openssl-projects/pkcs11-provider, pull request 225). Nor can most tokens say how far
        they have come with a signature, which OpenSSL would like to copy.
        """
        return (
            "openssl_conf = openssl_init\n"
            "[openssl_init]\nproviders = provider_sect\n"
            "[provider_sect]\ndefault = default_sect\npkcs11 = pkcs11_sect\n"
            "[default_sect]\nactivate = 1\n"
            f"[pkcs11_sect]\npkcs11-module-path = {self.module}\n"
            "pkcs11-module-quirks = no-deinit no-operation-state\nactivate = 1\n"
        )


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise ValueError("pin-value: a PIN in a setting is seen by too many; write it into a file: pin-source")
        if not equals or name not in known or name in found:
            raise ValueError(f"{part[:40]!r}: it has {', '.join((*_PATH, *_QUERY))}, each once")
        found[name] = unquote_to_bytes(value).decode()
    return found


def reference_pem(uri: str) -> bytes:
    """What stands in a PEM file in place of a private key; it names a key and holds none."""
    inner = _tagged(0x1A, _PEM_VERSION) + _tagged(0x0C, uri.encode())
    body = base64.encodebytes(_tagged(0x30, inner)).decode()
    return f"-----BEGIN {PEM_LABEL}-----\n{body}-----END {PEM_LABEL}-----\n".encode()


def id_in(pem: bytes) -> bytes | None:
    """The id of the key that a PEM file of ours refers to; None where it has its key itself, or none."""
    begin, end = f"-----BEGIN {PEM_LABEL}-----".encode(), f"-----END {PEM_LABEL}-----".encode()
    _, found, rest = pem.partition(begin)
    if not found:
        return None
    try:
        der = base64.b64decode(rest.partition(end)[0])
    except ValueError:
        return None
    _, found, attributes = der.partition(b";id=")
    return unquote_to_bytes(attributes.partition(b";")[0]) if found else None


def _tagged(tag: int, content: bytes) -> bytes:
    """DER (X.690 8.1) of one tag."""
    size = len(content)
    if size < _SHORT_FORM:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
