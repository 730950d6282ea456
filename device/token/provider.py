"""OpenSSL's provider for PKCS#11 in this process: by it Python's ssl signs with a key that it can't see."""

import ssl
from pathlib import Path
from typing import Final

from broker.errors import PermanentError
from device.files import write_atomically
from device.token_uri import SETTING, TokenUri

CONFIGURATION: Final = "openssl.cnf"
_NEEDED: Final = (
    f"{SETTING}: a key in a token needs Debian's python3 and OpenSSL's provider for PKCS#11: on Debian 13 apt-get "
    "install pkcs11-provider, Debian 12 has none; or leave it out, and the key is in a file"
)


class NoProviderError(PermanentError):
    """Why this process can't use keys in tokens; says what is wanted."""


def load_provider(uri: TokenUri, folder: Path) -> None:
    """Have this process's OpenSSL know the token's keys, for the rest of its life. Raises NoProviderError, OSError.

    By a call and not by OPENSSL_CONF: that would have to stand there before Python begins, and would reach every
    OpenSSL in the process, also those that wheels bring along.
    """
    path = folder / CONFIGURATION
    write_atomically(path, uri.configuration().encode(), mode=0o600)
    try:
        import ctypes  # noqa: PLC0415 - an agent without a token has no use for it

        library = ctypes.CDLL("libcrypto.so.3")
        library.OpenSSL_version.restype = ctypes.c_char_p
        version = (library.OpenSSL_version(0) or b"").decode()
    except (ImportError, OSError, AttributeError) as error:
        raise NoProviderError(f"{_NEEDED} ({error})") from error
    if version != ssl.OPENSSL_VERSION:
        raise NoProviderError(f"{_NEEDED} (this Python has an OpenSSL of its own: {ssl.OPENSSL_VERSION})")
    library.CONF_modules_load_file.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong]
    done = library.CONF_modules_load_file(str(path).encode(), None, 0)
    available = done > 0 and library.OSSL_PROVIDER_available(None, b"pkcs11") == 1
    # what is left in the thread's queue would be read as the error of its next connection
    library.ERR_clear_error()
    if not available:
        raise NoProviderError(_NEEDED)
