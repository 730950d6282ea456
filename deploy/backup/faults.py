"""Why a backup can't be read."""

from broker.errors import PermanentError


class ArchiveError(PermanentError):
    """Why a file is no backup that can be restored; nothing was changed."""
