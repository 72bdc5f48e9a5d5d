"""The threads of many runs share few heaps, which give back what they do not use."""

import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from app.heaps import share_heaps

if sys.argv[1] == "few":
    share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
all_at_once = threading.Barrier(12)

def work():
    all_at_once.wait(20)
    libc.malloc(50_000)
    all_at_once.wait(20)

threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def heaps(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is the one that is told")
def test_many_threads_share_few_heaps() -> None:
    many = heaps("as it comes")
    if many <= 4:
        pytest.skip(f"this system's allocator has {many} heaps for twelve threads anyway")
    assert heaps("few") <= 4


HELD = """
import ctypes, sys
import numpy as np
from app.heaps import give_back

def resident_mb():
    with open("/proc/self/statm") as table:
        return int(table.read().split()[1]) * 4096 / 1e6

made = [np.ones(100_000, np.uint8) for _ in range(600)]
kept = made[-1]  # at the end of the heap: what lies below it stays taken
del made
before = resident_mb()
if sys.argv[1] == "give back":
    give_back()
print(before - resident_mb())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is the one that is told")
def test_what_is_not_used_goes_back_to_the_system() -> None:
    def freed_mb(how: str) -> float:
        done = subprocess.run([sys.executable, "-c", HELD, how], capture_output=True, text=True, check=True)
        return float(done.stdout)

    if freed_mb("keep") > 30:
        pytest.skip("this system's allocator keeps nothing anyway")
    assert freed_mb("give back") > 30
