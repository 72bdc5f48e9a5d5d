"""What all tests share: Qt needs no display, remembers nothing, and no test leaves a thread behind.

Tests may run in several processes at once: each process has a home of its own for what the program remembers.
"""

import atexit
import os
import shutil
import tempfile
import threading
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# How a model runs best, what was said of a file's pixel size, presets: none of it goes into the operator's own folders,
# and nothing in those changes a test.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="dapiscope-test-")
os.environ["XDG_DATA_HOME"] = os.path.join(os.environ["XDG_CACHE_HOME"], "data")
os.environ["XDG_CONFIG_HOME"] = os.path.join(os.environ["XDG_CACHE_HOME"], "config")

import pytest

atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], True)


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
