"""What all tests share: Qt needs no display, remembers nothing, and no test leaves a thread behind."""

import os
import threading
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest


@pytest.fixture(autouse=True)
def no_thread_is_left_behind(request: pytest.FixtureRequest):
    """Fail a test after which one of the program's own threads (``app-…``) goes on."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 3.0

    def left() -> list[str]:
        return sorted(t.name for t in set(threading.enumerate()) - before if t.name.startswith("app-"))

    while left() and time.monotonic() < deadline:
        time.sleep(0.01)
    if left() and request.node.get_closest_marker("prove") is None:
        pytest.fail(f"threads left behind: {', '.join(left())}")
