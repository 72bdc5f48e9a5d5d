"""Slots, stages and buffers."""

import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.frame import BufferPool
from app.pipeline import LatestSlot, Stage


@given(st.lists(st.integers(), min_size=1, max_size=30))
def test_a_slot_keeps_the_newest_and_counts_the_rest(items):
    slot: LatestSlot[int] = LatestSlot()
    for item in items:
        slot.put(item)
    assert slot.get(0) == items[-1]
    assert slot.skipped == len(items) - 1
    assert slot.get(0) is None


def test_a_closed_slot_gives_its_last_item_once_and_takes_no_more():
    slot: LatestSlot[str] = LatestSlot()
    slot.put("last")
    slot.close()
    slot.put("late")
    assert slot.get() == "last"
    assert slot.get() is None


def test_put_blocking_waits_for_the_taker_and_loses_nothing():
    slot: LatestSlot[int] = LatestSlot()
    taken: list[int] = []

    def take():
        while (item := slot.get(5)) is not None:
            taken.append(item)

    taker = threading.Thread(target=take)
    taker.start()
    assert all(slot.put_blocking(item) for item in range(1, 200))
    slot.close()
    taker.join(5)
    assert taken == list(range(1, 200))
    assert slot.skipped == 0


def test_close_frees_whoever_waits_to_put():
    slot: LatestSlot[int] = LatestSlot()
    slot.put(1)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(slot.put_blocking(2)))
    waiter.start()
    slot.close()
    waiter.join(5)
    assert answers == [False]


def test_a_stage_finishes_what_it_holds_before_it_stops():
    done: list[int] = []
    stage: Stage[int] = Stage("test-stage", done.append, lambda error: pytest.fail(str(error)))
    stage.start()
    stage.slot.put(7)
    assert stage.stop()
    assert done == [7]
    assert stage.done == 1


def test_a_stage_hands_its_failure_on_and_ends():
    errors: list[BaseException] = []
    failed = threading.Event()

    def note(error):
        errors.append(error)
        failed.set()

    def work(_item):
        raise ValueError("broken")

    stage: Stage[int] = Stage("test-stage", work, note)
    stage.start()
    stage.slot.put(1)
    assert failed.wait(5)
    assert stage.stop()
    assert [str(error) for error in errors] == ["broken"]


def test_a_pool_reuses_a_buffer_only_when_nothing_looks_at_it():
    pool = BufferPool((4, 6), np.uint8, limit=3)
    first = pool.take()
    first[:] = 1
    part = first[1:3]
    address = first.ctypes.data
    del first
    second = pool.take()
    second[:] = 2
    assert second.ctypes.data != address
    assert part.max() == 1
    del part
    assert pool.take().ctypes.data == address


def test_a_pool_that_is_cleared_leaves_what_is_in_use_alone():
    pool = BufferPool((4, 6), np.uint8)
    held, free = pool.take(), pool.take()
    held[:] = 7
    gone = weakref.ref(free.base)
    del free
    assert gone() is not None
    pool.clear()
    assert gone() is None
    pool.take()[:] = 1
    assert held.min() == 7


def test_a_pool_that_is_used_up_still_gives_memory_of_its_own():
    pool = BufferPool((2, 2), np.uint16, limit=2)
    held = [pool.take() for _ in range(5)]
    for number, buffer in enumerate(held):
        buffer[:] = number
    assert [int(buffer[0, 0]) for buffer in held] == [0, 1, 2, 3, 4]
