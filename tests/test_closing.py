"""Closing while something hangs or is slow: the light is off, and no file is left open or short."""

import threading
from contextlib import contextmanager

import pytest
from fault_rig import Rig
from test_plan_session import plan_of

from app.clock import SystemClock
from app.events import Notice, RecordingFinishing, State
from app.recording import open_replay
from app.recording.store import FrameStore


class SkippingClock(SystemClock):
    """The machine's clock, which the test puts forward."""

    ahead_s = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead_s


class Disk:
    """Takes a frame only when it is told to."""

    def __init__(self, monkeypatch):
        self.takes = threading.Semaphore(10**6)
        append = FrameStore.append

        def slow(store, pixels):
            assert self.takes.acquire(timeout=30)
            return append(store, pixels)

        monkeypatch.setattr(FrameStore, "append", slow)

    def stop(self):
        while self.takes.acquire(blocking=False):
            pass


@contextmanager
def closing(rig):
    """Close on another thread; gives what it answered, complete once it is over."""
    answers = []
    closer = threading.Thread(target=lambda: answers.append(rig.session.close()))
    closer.start()
    yield answers
    closer.join(30)
    assert not closer.is_alive()


@pytest.fixture
def made(tmp_path):
    rig = Rig(tmp_path, clock=SkippingClock())
    rig.clock = rig.session._clock
    rig.release = threading.Event()
    yield rig
    rig.release.set()
    assert rig.close()
    assert not rig.lit()


def looks(rig):
    """How often who closes has looked for progress."""
    counted = []
    look = rig.session._stopping.finishing

    def finishing():
        counted.append(look())
        return counted[-1]

    rig.session._stopping.finishing = finishing
    return counted


def texts(rig):
    return [notice.text for notice in rig.of(Notice)]


def hang(rig, owner, name):
    """Let the method `name` of `owner` not come back before `rig.release`; returns what is set once it hangs."""
    real, hangs = getattr(owner, name), threading.Event()

    def stuck(*arguments, **more):
        hangs.set()
        assert rig.release.wait(30)
        return real(*arguments, **more)

    setattr(owner, name, stuck)
    return hangs


def test_closing_waits_for_a_disk_that_is_slow_but_goes_on(made, monkeypatch):
    disk = Disk(monkeypatch)
    made.run_lit()
    recorder = made.recorder
    disk.stop()
    made.wait(lambda: recorder.status.queued >= 6)
    seen = looks(made)
    with closing(made) as answers:
        made.wait(lambda: recorder.finishing is not None)
        accepted = recorder.status.written + recorder.status.queued
        for _ in range(3):
            made.clock.ahead_s += 200  # more than any device gets, less than a disk
            before = recorder.status.written
            disk.takes.release()
            made.wait(lambda before=before: recorder.status.written > before)
            looked = len(seen)
            made.wait(lambda looked=looked: len(seen) > looked + 1)
        assert not answers
        disk.takes.release(10**6)
    assert answers == [True]
    assert not any("does not" in text for text in texts(made))
    told = made.of(RecordingFinishing)
    assert len({each.total for each in told}) == 1 and told[0].total >= accepted
    written = [each.written for each in told]  # the ticker may tell the first of them, too
    assert written == sorted(written) and len(set(written)) >= 3
    with open_replay(recorder.path) as replay:
        assert replay.length >= accepted


def test_a_disk_that_takes_nothing_any_more_is_left_behind_and_named(made, monkeypatch):
    disk = Disk(monkeypatch)
    made.run_lit()
    recorder = made.recorder
    disk.stop()
    made.wait(lambda: recorder.status.queued >= 2)
    acknowledged = recorder.status.acknowledged
    seen = looks(made)
    with closing(made) as answers:
        made.wait(lambda: len(seen) > 1 and seen[-1] is not None)
        made.clock.ahead_s += 250
        looked = len(seen)
        made.wait(lambda: len(seen) > looked + 1)
        assert not answers
        made.clock.ahead_s += 60
        made.wait(lambda: bool(answers))
    assert any("disk does not take" in text for text in texts(made))
    assert not any("driver" in text for text in texts(made))
    disk.takes.release(10**6)
    made.wait(lambda: recorder.finishing is None)
    with open_replay(recorder.path) as replay:
        assert replay.length >= acknowledged > 0


@pytest.mark.parametrize("how", ["close", "fail"])
def test_a_camera_that_hangs_leaves_no_recording_open(made, how):
    made.run_lit()
    recorder = made.recorder
    acknowledged = recorder.status.acknowledged
    hang(made, made.camera, "stop")
    if how == "fail":
        made.session.fail(RuntimeError("a slot broke"))
    else:
        seen = looks(made)
        with closing(made) as answers:
            made.wait(lambda: len(seen) > 1)
            made.clock.ahead_s += 31
        assert answers == [True]
        assert any("does not come back" in text for text in texts(made))
    made.wait(lambda: recorder._summary is not None)
    assert not made.lit()
    with open_replay(recorder.path) as replay:
        assert replay.length >= acknowledged > 0
        assert int(replay.info.meta["grabbed"]) >= replay.length  # though the camera's stop has not come back


def test_a_camera_that_hangs_leaves_no_plan_open(made, tmp_path):
    taken = made.session.run_plan(plan_of(200), tmp_path)
    made.wait(lambda: made.session._plans._runner is not None and made.session._plans._runner._log.taken >= 2)
    hangs = hang(made, made.camera, "configure")
    made.wait(hangs.is_set)
    seen = looks(made)
    with closing(made) as answers:
        made.wait(lambda: len(seen) > 1)
        made.clock.ahead_s += 31
    assert answers == [True] and not taken.done()
    with open_replay(tmp_path / "plan.ome.tif") as replay:
        assert replay.length >= 2
    made.release.set()
    taken.exception(20)


def test_a_model_that_never_loads_keeps_nobody_from_closing(made):
    loading = hang(made, made, "_counter")
    started = made.session.start_live()
    made.wait(loading.is_set)
    made.wait(lambda: made.session.state is State.STARTING and made.session._bench.labeller)
    seen = looks(made)
    with closing(made) as answers:
        made.wait(lambda: not made.session._bench._keeper._thread.is_alive())
        assert started.done()
        looked = len(seen)
        made.wait(lambda: len(seen) > looked + 1)
        made.clock.ahead_s += 31
    assert answers == [True]
    assert any("model does not finish" in text for text in texts(made))
    assert not any("driver" in text for text in texts(made))
