"""Loads structlog without what it takes where it is and a Pi can do without.

That is rich for coloured tracebacks, 3 MiB, and greenlet with its C++ library, 1 MiB. To be imported before anything
that imports structlog.
"""

import sys
from typing import Final

_NOT_WANTED: Final = [name for name in ("rich", "greenlet") if name not in sys.modules]

for name in _NOT_WANTED:
    sys.modules[name] = None  # type: ignore[assignment]  # what a name that can't be imported has there
import structlog  # noqa: E402, F401

for name in _NOT_WANTED:
    del sys.modules[name]
