"""Starting and stopping live imaging again and again leaves no thread and no open file behind."""

import threading

import psutil
import pytest

from app.build import make_session
from app.events import ResultReady
from app.settings import Settings


def footprint():
    process = psutil.Process()
    files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return files, sorted(thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("cycles", [5])
def test_cycles_leave_nothing_behind(cycles):
    session = make_session(Settings())
    counted = threading.Event()
    session.subscribe(lambda event: counted.set() if isinstance(event, ResultReady) else None)
    seen = []
    try:
        for _ in range(cycles):
            counted.clear()
            session.start_live().result(20)
            assert counted.wait(20)
            session.stop_live().result(20)
            seen.append(footprint())
    finally:
        assert session.close()
    # The first cycle opens the devices and starts the workers, which stay until the session is closed.
    assert seen[1:] == [seen[0]] * (cycles - 1)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("app-")]
