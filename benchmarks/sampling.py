"""Sample where the CPU time of this process goes, over all its Python threads (Linux only)."""

import sys
import threading
import time
from collections import Counter
from types import FrameType

INTERVAL_S = 0.001
SWITCH_INTERVAL_S = 0.00005
"""How soon a running thread lets the sampler in, while it samples."""
CLOCK_OF_A_THREAD = 6
"""The lower bits of the clock id that Linux derives from a thread id."""


class Sampler:
    """Attributes each thread's CPU time since its last sample to its present stack."""

    def __init__(self) -> None:
        self.cpu_ns: Counter[tuple[str, ...]] = Counter()
        """By stack, the outermost function first."""
        self._last: dict[int, int] = {}

    def sample(self) -> None:
        """Take one sample of each thread but the caller's."""
        threads = {thread.ident: thread.native_id for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            native_id = threads.get(ident)
            if native_id is None or ident == threading.get_ident():
                continue
            used = _cpu_ns(native_id)
            before = self._last.get(native_id)
            self._last[native_id] = used
            if before is not None and used > before:
                self.cpu_ns[_stack(frame)] += used - before


def _cpu_ns(native_id: int) -> int:
    """Return the CPU time of a thread; 0 if it has ended meanwhile."""
    try:
        return time.clock_gettime_ns(~native_id << 3 | CLOCK_OF_A_THREAD)
    except OSError:
        return 0


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    stack = []
    while frame is not None:
        stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return tuple(reversed(stack))
