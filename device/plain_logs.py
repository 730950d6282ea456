"""Loads structlog without rich, which it takes for coloured tracebacks where it is: 3 MiB that a Pi can do without.

To be imported before anything that imports structlog.
"""

import sys
from typing import Final

_RICH: Final = "rich"

if _RICH not in sys.modules:
    sys.modules[_RICH] = None  # type: ignore[assignment]  # what a name that can't be imported has there
    import structlog  # noqa: F401

    del sys.modules[_RICH]
