"""What the window keeps of each count: the newest, exactly as they came, in memory that does not grow."""

import tracemalloc
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from app.gui.count_history import Counted, CountHistory
from app.inference.measure import count_row

numbers = st.none() | st.floats(0, 1e6, allow_subnormal=False)
counted = st.builds(
    Counted,
    index=st.integers(0, 2**40),
    moment_s=st.floats(0, 1e7),
    unix_time_s=st.just(0.0) | st.floats(1e9, 3e9),
    name=st.sampled_from(["", "a.tif", "b.tif"]),
    count=st.integers(0, 100_000),
    interval=st.none() | st.tuples(st.integers(0, 1000), st.integers(1000, 200_000)),
    density_per_mm2=numbers,
    pixel_size_um=numbers,
    scale_source=st.sampled_from(["given", "metadata", "estimated"]),
    flags=st.lists(st.sampled_from(["too dim", "saturated", "too crowded"]), unique=True).map(tuple),
    replayed=st.booleans(),
)


@given(st.lists(counted), st.integers(1, 6))
def test_the_newest_come_back_as_they_were(given_counts, keep):
    history, plain = CountHistory(keep), deque(maxlen=keep)
    for each in given_counts:
        history.add(each)
        plain.append(each)
    assert len(history) == len(plain)
    assert list(history) == list(plain)
    assert [count_row(each) for each in history] == [count_row(each) for each in plain]


def a_count(index: int) -> Counted:
    return Counted(
        index, 0.022 * index, 1.7e9 + 0.022 * index, "", 300 + index % 40, (280, 341 + index % 5),
        612.5 + index, 0.1 + 1e-6 * index, "given", (), False,
    )  # fmt: skip


def test_memory_is_taken_at_the_start():
    history = CountHistory(4000)
    history.add(a_count(0))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for index in range(1, 3000):
            history.add(a_count(index))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(history) == 3000
    assert grown < 10_000, f"{grown} bytes more after 3,000 counts"
