"""How large a spec document may be, and its refusal."""

from typing import Final

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 12
MAX_NODES: Final = 20_000


class RefusedError(Exception):
    """A document beyond the bounds; `place` says where, `fix` what is wanted. At the border it is a ContractError."""

    def __init__(self, reason: str, place: str, fix: str) -> None:
        super().__init__(reason)
        self.place = place
        self.fix = fix
