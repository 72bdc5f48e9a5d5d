"""The threads of many runs share few heaps."""

import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from app.build import share_the_heaps

if sys.argv[1] == "few":
    share_the_heaps()
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
