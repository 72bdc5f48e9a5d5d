"""The arrays of one frame are made of the memory of those before."""

import subprocess
import sys

import pytest

FRAMES = """
import resource, sys, threading
import numpy as np
from app.build import keep_freed_memory

def frames(count):
    for _ in range(count):
        kept = [np.ones(size * 1_000_000, np.uint8) for size in (1, 2, 5, 1, 2, 5, 8, 1)]
        del kept

def count():
    frames(3)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    frames(20)
    print(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)

if sys.argv[1] == "keep":
    keep_freed_memory()
thread = threading.Thread(target=count)  # frames are counted on a thread of their own
thread.start()
thread.join()
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FRAMES, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is the one that is told")
def test_memory_of_a_frame_is_kept_for_the_next() -> None:
    given_back = faults("give back")
    if given_back < 1000:
        pytest.skip("this system's allocator keeps its memory anyway")
    assert faults("keep") < given_back / 10
