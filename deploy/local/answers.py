"""Whether a server answers its own protocol: that is what ready means here, whatever its log says and when."""

import asyncio
import ssl
import struct
from pathlib import Path

import asyncpg

from store.errors import DATABASE_ERRORS

_ANSWER_S = 2.0
_CONNECT = 0x10
_CONNACK = 0x20
_DISCONNECT = b"\xe0\x00"
_USER_PASSWORD_CLEAN = 0xC2
_KEEPALIVE_S = 10


async def mqtt_answers(host: str, port: int, user: str, password: str, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a broker lets this user in: a CONNECT of MQTT 5 gets a CONNACK of success (MQTT 5 3.2.2.2)."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
            try:
                writer.write(_connect(user, password))
                await writer.drain()
                kind, _, _, reason = await reader.readexactly(4)
                if (kind, reason) != (_CONNACK, 0):
                    return False
                writer.write(_DISCONNECT)
                await writer.drain()
                return True
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return False


def _connect(user: str, password: str) -> bytes:
    """A CONNECT with a clean start and the user's name as client id, to which a login may be bound (MQTT 5 3.1)."""
    fields = b"".join(_text(field) for field in (user, user, password))
    body = _text("MQTT") + struct.pack("!BBHB", 5, _USER_PASSWORD_CLEAN, _KEEPALIVE_S, 0) + fields
    length, rest = len(body) & 0x7F, len(body) >> 7
    return bytes([_CONNECT, *((length | 0x80, rest) if rest else (length,))]) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


async def postgres_answers(dsn: str, folder: Path | None = None) -> bool:
    """Whether PostgreSQL answers a query; with a `folder`, that it is the server of this data folder."""
    try:
        connection = await asyncpg.connect(dsn, timeout=_ANSWER_S, command_timeout=_ANSWER_S)
    except DATABASE_ERRORS:
        return False
    try:
        if folder is None:
            return bool(await connection.fetchval("SELECT true"))
        return _same(Path(await connection.fetchval("SHOW data_directory")), folder)
    except DATABASE_ERRORS:
        return False
    finally:
        await connection.close(timeout=_ANSWER_S)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
