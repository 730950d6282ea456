"""What tests of operations measured, as one JSON file that WATTLINE_OPS_REPORT names."""

import json
import os
from pathlib import Path


def record(what: str, **figures: float) -> None:
    """Put the figures of one subject into the report, where one is wanted; others' stay."""
    name = os.environ.get("WATTLINE_OPS_REPORT")
    if not name:
        return
    file = Path(name)
    document = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(document | {what: figures}, indent=1) + "\n")
