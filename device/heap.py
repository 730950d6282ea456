"""Memory that starting up needed for a while, given back to the system."""

import ctypes


def give_back() -> None:
    """Return free pages of the C library's heap to the kernel (malloc_trim(3)); where it has no such call, nothing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
