"""A token by its PKCS#11 module (OASIS PKCS #11 2.40), called by ctypes: no library is needed for ten functions.

In short-lived processes only: a module is other people's code, and sees what is in the token as it is now.
"""

import ctypes
from ctypes import Structure, byref, c_char, c_ubyte, c_ulong, c_void_p, cast, create_string_buffer
from typing import Any, Final

from broker.errors import PermanentError
from device.token_uri import SETTING, TokenUri

OK: Final = 0
PIN_INCORRECT: Final = 0xA0
ALREADY_LOGGED_IN: Final = 0x100
ALREADY_INITIALIZED: Final = 0x191
REASONS: Final = {
    0x05: "general error",
    0x06: "function failed",
    0x12: "attribute type invalid",
    0x13: "attribute value invalid",
    0x30: "device error",
    0x31: "no room in the token",
    0x32: "the token was removed",
    0x54: "function not supported",
    0x68: "key function not permitted",
    0x70: "mechanism invalid",
    0x71: "mechanism parameter invalid",
    PIN_INCORRECT: "the PIN is wrong",
    0xA2: "the PIN is too short or too long",
    0xA4: "the PIN is locked",
    0xD1: "template inconsistent",
    0xE0: "no token is there",
    0x102: "no PIN was ever set",
}
USER_PIN_FINAL_TRY: Final = 0x20000
USER_PIN_LOCKED: Final = 0x40000
CLASS, TOKEN, PRIVATE, LABEL, KEY_TYPE, ID, SENSITIVE = 0x0, 0x1, 0x2, 0x3, 0x100, 0x102, 0x103
SIGN, VERIFY, DERIVE, VALUE, VALUE_LEN, EXTRACTABLE, EC_PARAMS, EC_POINT = (
    0x108, 0x10A, 0x10C, 0x11, 0x161, 0x162, 0x180, 0x181,
)  # fmt: skip
PUBLIC_KEY, PRIVATE_KEY, SECRET_KEY = 2, 3, 4
EC, GENERIC_SECRET = 3, 0x10
EC_KEY_PAIR_GEN, ECDSA, ECDH1_DERIVE = 0x1040, 0x1041, 0x1050
SERIAL_AND_RW: Final = 4 | 2
MOST: Final = 64
"""Slots and keys that are looked at."""

Attributes = dict[int, int | bool | bytes]


class TokenError(PermanentError):
    """Why the token does not do it; names the setting. `code` is PKCS#11's return value."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(f"{SETTING}: {reason}")
        self.code = code


class _Attribute(Structure):
    _fields_ = (("type", c_ulong), ("value", c_void_p), ("size", c_ulong))


class _Mechanism(Structure):
    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("size", c_ulong))


class _Ecdh(Structure):
    _fields_ = (
        ("kdf", c_ulong), ("shared_size", c_ulong), ("shared", c_void_p),
        ("public_size", c_ulong), ("public", c_void_p),
    )  # fmt: skip


class _TokenInfo(Structure):
    _fields_ = (
        ("label", c_char * 32), ("manufacturer", c_char * 32), ("model", c_char * 16), ("serial", c_char * 16),
        ("flags", c_ulong), ("numbers", c_ulong * 10), ("versions", c_ubyte * 4), ("time", c_char * 16),
    )  # fmt: skip


def template(values: Attributes) -> Any:
    """Attributes as PKCS#11 takes them; numbers as CK_ULONG, truths as CK_BBOOL."""
    attributes = (_Attribute * len(values))()
    for attribute, (kind, value) in zip(attributes, values.items(), strict=True):
        data = (
            value if isinstance(value, bytes) else bytes([value]) if isinstance(value, bool) else bytes(c_ulong(value))
        )
        attribute.type, attribute.size = kind, len(data)
        attribute.value = cast(create_string_buffer(data, max(1, len(data))), c_void_p)
    return attributes


class Module:
    """A session at one token, logged in. Objects are numbers that hold as long as it is open."""

    def __init__(self, uri: TokenUri) -> None:
        """Find the token. Raises TokenError."""
        try:
            self._library = ctypes.CDLL(uri.module)
        except OSError as error:
            raise TokenError(f"module-path: {error}; install the token's PKCS#11 module, or name it") from error
        self._is_ours = self.call("C_Initialize", None, allowed=(ALREADY_INITIALIZED,)) == OK
        self._session = c_ulong()
        try:
            slot, self.flags = self._found(uri)
            self.call("C_OpenSession", c_ulong(slot), c_ulong(SERIAL_AND_RW), None, None, byref(self._session))
        except TokenError:
            self.close()
            raise

    def call(self, function: str, *arguments: Any, allowed: tuple[int, ...] = ()) -> int:
        """Call one function of the module; returns what it says. Raises TokenError where all is not well."""
        try:
            called = getattr(self._library, function)
        except AttributeError as error:
            raise TokenError(f"module-path: it has no {function}; is it a PKCS#11 module?") from error
        called.restype = c_ulong
        code: int = called(*arguments)
        if code not in (OK, *allowed):
            raise TokenError(f"{REASONS.get(code, 'refused')} ({function}: 0x{code:x})", code)
        return code

    def ask(self, function: str, *arguments: Any) -> None:
        """The same, of the session."""
        self.call(function, self._session, *arguments)

    def login(self, pin: bytes) -> None:
        """Log in as the user. Raises TokenError, with PIN_INCORRECT as its code where that is so."""
        self.call("C_Login", self._session, c_ulong(1), pin, c_ulong(len(pin)), allowed=(ALREADY_LOGGED_IN,))

    def close(self) -> None:
        """Leave it, unless OpenSSL's provider uses it in this process, too."""
        if self._is_ours:
            self.call("C_Finalize", None)

    def _found(self, uri: TokenUri) -> tuple[int, int]:
        """Slot and flags of the token that a URI names."""
        slots, count = (c_ulong * MOST)(), c_ulong(MOST)
        self.call("C_GetSlotList", c_ubyte(1), slots, byref(count))
        seen = []
        for slot in slots[: count.value]:
            info = _TokenInfo()
            try:
                self.call("C_GetTokenInfo", c_ulong(slot), byref(info))
            except TokenError:
                # another reader's, with something in it that this module does not know
                continue
            label, serial = (bytes(text).rstrip(b" \0").decode(errors="replace") for text in (info.label, info.serial))
            if label == uri.token and uri.serial in ("", serial):
                return slot, info.flags
            seen.append(label)
        there = ", ".join(repr(label) for label in seen if label) or "none"
        raise TokenError(f"there is no token {uri.token!r} (those that are: {there}); put it in, or name another")

    def objects(self, values: Attributes) -> list[int]:
        """Those in the token that have these attributes."""
        wanted = template(values)
        self.ask("C_FindObjectsInit", wanted, c_ulong(len(wanted)))
        found, count = (c_ulong * MOST)(), c_ulong()
        self.ask("C_FindObjects", found, c_ulong(MOST), byref(count))
        self.ask("C_FindObjectsFinal")
        return found[: count.value]

    def value(self, thing: int, kind: int) -> bytes:
        """One attribute of an object."""
        attribute = _Attribute(kind, None, 0)
        self.ask("C_GetAttributeValue", c_ulong(thing), byref(attribute), c_ulong(1))
        room = create_string_buffer(max(1, attribute.size))
        attribute.value = cast(room, c_void_p)
        self.ask("C_GetAttributeValue", c_ulong(thing), byref(attribute), c_ulong(1))
        return room.raw[: attribute.size]

    def generate(self, public: Attributes, private: Attributes) -> None:
        """Make an EC key pair in the token."""
        mechanism, one, other = _Mechanism(EC_KEY_PAIR_GEN, None, 0), template(public), template(private)
        made = (c_ulong(), c_ulong())
        self.ask(
            "C_GenerateKeyPair", byref(mechanism), one, c_ulong(len(one)), other, c_ulong(len(other)),
            byref(made[0]), byref(made[1]),
        )  # fmt: skip

    def destroy(self, thing: int) -> None:
        """Remove an object."""
        self.ask("C_DestroyObject", c_ulong(thing))

    def sign(self, key: int, digest: bytes, size: int) -> bytes:
        """An ECDSA signature of a digest: r and s, `size` bytes in all."""
        self.ask("C_SignInit", byref(_Mechanism(ECDSA, None, 0)), c_ulong(key))
        room, length = create_string_buffer(size), c_ulong(size)
        self.ask("C_Sign", digest, c_ulong(len(digest)), room, byref(length))
        return room.raw[: length.value]

    def derive(self, key: int, point: bytes, size: int) -> bytes:
        """What our key and another's public point have in common (ECDH, no KDF)."""
        public = create_string_buffer(point, len(point))
        parameters = _Ecdh(1, 0, None, len(point), cast(public, c_void_p))
        mechanism = _Mechanism(ECDH1_DERIVE, cast(byref(parameters), c_void_p), ctypes.sizeof(parameters))
        wanted = template({
            CLASS: SECRET_KEY, KEY_TYPE: GENERIC_SECRET, TOKEN: False, SENSITIVE: False, EXTRACTABLE: True,
            VALUE_LEN: size,
        })  # fmt: skip
        made = c_ulong()
        self.ask("C_DeriveKey", byref(mechanism), c_ulong(key), wanted, c_ulong(len(wanted)), byref(made))
        return self.value(made.value, VALUE)
