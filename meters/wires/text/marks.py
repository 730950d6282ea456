"""The marks by which telegrams of the two text protocols are found in a stream, and the limits of the search."""

import re

MAX_TELEGRAM_BYTES = 64 * 1024
MAX_HEADER_BYTES = 256
BARE_LOOKAHEAD = 32
# Small slices keep the work for each false start in garbage small.
SLICE_BYTES = 1024
STX, ETX, ACK = 0x02, 0x03, 0x06

MAY_START = b"/\x02\xaf\x82\x1b"
"""The first bytes of frames of all protocols, with and without parity bit: none is lost to a check that failed."""
IDLE = re.compile(rb"[/\x02\xaf\x82]")
FLAG = re.compile(rb"/[A-Za-z]{3}")
FLAG_PART = re.compile(rb"/[A-Za-z]{0,2}\Z")
# A header may hold any byte, but not the escape that begins an SML file.
NO_HEADER = re.compile(rb"\x1b")
NO_HEADER_PARITY = re.compile(rb"[\x1b\xff]")
LINES = re.compile(rb"[\n)]!|/|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
LINES_PARITY = re.compile(rb"[\n)]!|/|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\xff]")
BLOCK = re.compile(rb"[\x03\x04]|/|[\x00-\x02\x05-\x09\x0b\x0c\x0e-\x1f\x7f\xff]")
END = re.compile(rb"!([0-9A-Fa-f]{0,4})(\r?\n|(?=/))")
END_PART = re.compile(rb"![0-9A-Fa-f]{0,4}\r?\Z")
TAIL = re.compile(rb"[\n)](!)([0-9A-Fa-f]{0,4})\r?\Z")
BLOCK_TAIL = re.compile(rb"[\n)]!\r?\n?\Z")
# What torn telegrams have and noise hardly ever: the end of an address before its value.
DATA_SET = re.compile(rb"\.[0-9A-F]{1,3}(?:[*&][0-9]{1,3})?\(")
INNER = re.compile(rb"/[A-Za-z]{3}[\x02 \x22-\x27*-~\x80-\xff]{1,256}(\r?\n)?")
BETWEEN = re.compile(rb"(?:\x06?[0-9A-Z]{0,3}\r?\n|[\x03\x06])*")
BARE = re.compile(
    rb"[\r\n ]*([0-9]{1,3}-[0-9]{1,3}:[0-9][0-9.*&]*"
    rb"|[A-Z](?:\.[0-9A-Z]+)*(?:[*&][0-9]+)?"
    rb"|[0-9]+(?:\.[0-9A-F]+)+(?:[*&][0-9]+)?)\("
)
BARE_PART = re.compile(rb"[\r\n ]*[0-9A-Z.*&:-]*\Z")
BARE_START = re.compile(rb"[A-Z](?:\.[0-9A-Z]+)*|0\.0(?:\.0)?|0\.9\.[124]")

DETAILS = {
    "truncated": "the telegram ends before its end mark",
    "too_long": f"no end within {MAX_TELEGRAM_BYTES} bytes",
    "bad_character": "a control character stands in the text",
    "bad_end": "no line end or CRC follows the end mark",
    "parity": "a byte has odd parity in a frame of even parity",
    "crc_mismatch": "the CRC does not fit",
    "crc_missing": "DSMR 4 and later must have a CRC",
    "bcc_mismatch": "the block check character does not fit",
    "malformed": "the unchecked telegram is more than data sets",
}
