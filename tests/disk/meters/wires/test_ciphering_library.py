"""The library that deciphers, and where it is loaded."""

import subprocess
import sys

from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.encode.dlms import encode_hdlc
from meters.wires.meter_key import MeterKey


def test_the_library_is_loaded_for_a_key_alone() -> None:
    """An agent without keys does without its memory: reading a ciphered frame without one loads nothing."""
    data = encode_hdlc(encode_ciphered(b"any text", b"KFM12345", 7, MeterKey(bytes(16)))).hex()
    code = (
        "import sys; from meters.telegram import Wire; from meters.wires.readers import read_all;"
        f"found = list(read_all(Wire.DLMS, bytes.fromhex('{data}')));"
        "assert found[0].reason == 'key_needed'; assert 'cryptography' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
