"""The framer of a port that pushes DLMS."""

from meters.telegram import Wire
from meters.wires.dlms.scanner import DlmsScanner
from meters.wires.merged import ScannerFramer


class DlmsFramer(ScannerFramer):
    """The framer of a DLMS port; see meters.wires.dlms.scanner for what it bounds and how it resynchronises."""

    def __init__(self) -> None:
        super().__init__(Wire.DLMS, DlmsScanner(frozenset({Wire.DLMS})))
