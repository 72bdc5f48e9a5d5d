"""The process' memory, as glibc manages it; other systems' allocators are left as they are."""

import ctypes
import sys

_ARENA_MAX, ARENAS = -8, 4
"""Of glibc's `mallopt`; as many threads make arrays at the same time: camera, counting, display, painting."""


def share_heaps() -> None:
    """Have the threads take their memory out of few heaps.

    glibc gives each new thread a heap of its own, up to eight for each core, and each keeps the room that some run once
    needed: live imaging started and stopped a hundred times held a tenth more memory than after the first few.
    """
    tune = _of_glibc("mallopt")
    if tune is not None:
        tune(_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give the system what the heaps do not use: a few milliseconds, when nobody waits."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
