"""The file of the master key, read anew whenever it is wanted: it is in memory for that moment alone."""

from pathlib import Path

from broker.errors import PermanentError
from gateway.faults import Kind, Refusal
from store.meter_keys import MasterKeys


class MasterFile:
    """Where the master key is; without a file no key of a meter is taken."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @property
    def named(self) -> bool:
        """Whether there is to be one."""
        return self._path is not None

    def load(self) -> MasterKeys:
        """The master keys. Raises Refusal where they can't be had."""
        if self._path is None:
            raise Refusal(
                Kind.CONFLICT,
                "this gateway keeps no keys of meters: set WATTLINE_GATEWAY_METER_KEYS_FILE to a master key's file, as"
                " `wattline master-key make` writes it",
            )
        try:
            return MasterKeys.load(self._path)
        except PermanentError as error:
            raise Refusal(Kind.CONFLICT, f"WATTLINE_GATEWAY_METER_KEYS_FILE: {error}") from error
