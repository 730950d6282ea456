"""What is said beside a form of what was refused."""

from gateway.faults import Kind, Refusal


def told(error: Refusal) -> str:
    """What to tell beside the form. Raises what is no fault of what was typed."""
    if error.kind not in (Kind.CONFLICT, Kind.INVALID, Kind.MALFORMED, Kind.STALE):
        raise error
    return "; ".join(str(one) for one in error.faults) or error.detail
