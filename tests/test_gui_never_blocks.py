"""A slow camera, a slow disk and a slow model, and a window that goes on: nothing of theirs is done on its thread."""

import gc
import threading
import time
from typing import ClassVar

import pytest
from PySide6.QtCore import QObject, QSettings, Qt, QTimer

import app.doctor
import app.single_frames
from app.build import make_session
from app.doctor import Found
from app.events import State
from app.gui import handle_exports
from app.gui.main_window import MainWindow
from app.gui.store import WindowStore
from app.gui.tidy import Tidy, tidied
from app.hardware.simulated import SimulatedCamera
from app.inference.segmenter import Segmenter
from app.recording.store import FrameStore
from app.settings import CameraSettings, Settings

SLOW_S = 2.0


class Slow:
    """Calls that take two seconds more; notes on which thread each of them ran."""

    def __init__(self, monkeypatch):
        self._patch = monkeypatch
        self.threads: dict[str, list[threading.Thread]] = {}

    def down(self, what, owner, name):
        """Make one call slow."""
        real, threads = getattr(owner, name), self.threads.setdefault(what, [])

        def slow(*args, **kwargs):
            threads.append(threading.current_thread())
            time.sleep(SLOW_S)
            return real(*args, **kwargs)

        self._patch.setattr(owner, name, slow)


class Beat:
    """What the event loop does between two beats of a timer: seconds by the clock, and seconds of work."""

    def __init__(self):
        self.gaps: list[float] = []
        self.work: list[float] = []
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._beat)

    def start(self):
        self._last = time.monotonic(), time.thread_time()
        self._timer.start()

    def stop(self):
        self._timer.stop()

    def _beat(self):
        now = time.monotonic(), time.thread_time()
        self.gaps.append(now[0] - self._last[0])
        self.work.append(now[1] - self._last[1])
        self._last = now


def slowness() -> float:
    """Return how much longer work takes now than on two quiet cores: neighbours cost a thread some of its own time."""
    times = []
    for _ in range(5):
        start = time.thread_time()
        for i in range(200_000):
            _ = i * i % 7
        times.append(time.thread_time() - start)
    return max(times) / 0.01


def make_window(tmp_path):
    session = make_session(Settings(camera=CameraSettings(fps=10.0, binning=2)))
    store = QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat)
    window = MainWindow(session, WindowStore(store))
    window.folder = tmp_path
    window.show()
    return session, window


def leave(qtbot, window):
    window.closing.begin(unattended=True)
    qtbot.waitUntil(lambda: window.closing.done, timeout=40_000)
    window.deleteLater()
    qtbot.wait(1)  # a window that goes later would take objects from the counts of the next test


def play(qtbot, tmp_path, monkeypatch):
    """Go through live, a changed exposure, a snapshot, a recording and an export with everything slow."""
    slow, beat = Slow(monkeypatch), Beat()
    slow.down("camera", SimulatedCamera, "configure")
    slow.down("model", Segmenter, "segment")
    slow.down("disk", app.single_frames, "save_snapshot")
    slow.down("export", handle_exports, "write_counts")
    session, window = make_window(tmp_path)
    qtbot.wait(300)
    try:
        with tidied(window, lambda: True):  # as `run_window` does
            beat.start()
            session.connect()
            session.start_live()
            qtbot.waitUntil(lambda: session.state is State.LIVE and window.viewer.result is not None, timeout=40_000)
            window.camera.exposure.setValue(20.0)
            window.actions_by_id["snap_segment"].trigger()
            qtbot.waitUntil(lambda: window.presenter.snapped is not None, timeout=40_000)
            window.actions_by_id["export_counts"].trigger()
            qtbot.waitUntil(lambda: (tmp_path / "counts.csv").exists(), timeout=40_000)
            beat.stop()
    finally:
        beat.stop()
        leave(qtbot, window)
    return slow, beat


@pytest.mark.prove
@pytest.mark.timeout(180)
def test_nothing_slow_runs_on_the_windows_thread(qtbot, tmp_path, monkeypatch):
    slow, beat = play(qtbot, tmp_path, monkeypatch)
    for what, threads in slow.threads.items():
        assert threads, f"{what} was never called: nothing is proved"
        assert threading.main_thread() not in threads, what
    # Each of them took two seconds, and in all of that time the loop went round.
    assert len(beat.gaps) > 200
    # Far below the two seconds that each of the calls takes, whatever else the machine does.
    assert max(beat.gaps) < SLOW_S / 2


@pytest.mark.prove
@pytest.mark.timeout(180)
def test_the_event_loop_never_pauses_for_a_tenth_of_a_second(qtbot, tmp_path, monkeypatch):
    _, beat = play(qtbot, tmp_path, monkeypatch)
    assert len(beat.gaps) > 200
    assert max(beat.gaps) < 0.1, f"longest gap {1000 * max(beat.gaps):.0f} ms"


def test_the_beat_sees_a_loop_that_waits_and_one_that_works(qtbot):
    """The measure itself: it would not see nothing."""
    beat = Beat()
    beat.start()
    qtbot.waitUntil(lambda: len(beat.gaps) > 3)
    time.sleep(0.15)
    until = time.thread_time() + 0.15
    while time.thread_time() < until:
        pass
    before = len(beat.gaps)
    qtbot.waitUntil(lambda: len(beat.gaps) > before)
    beat.stop()
    assert max(beat.gaps) >= 0.3
    assert 0.15 <= max(beat.work) < max(beat.gaps)


# --- a call that does not come back at all -----------------------------------------------------------------------


class Gate:
    """A call that stays until it is let go."""

    def __init__(self, monkeypatch, owner, name):
        real, self.closed = getattr(owner, name), False
        self.entered, self.go, self.gave_up = threading.Event(), threading.Event(), False
        self.threads: set[threading.Thread] = set()

        def held(*args, **kwargs):
            if self.closed:
                self.threads.add(threading.current_thread())
                self.entered.set()
                # A window that waits for this call would wait for ever: it is let go, and the test fails.
                self.gave_up |= not self.go.wait(25)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, held)


HELD = {
    "camera": (SimulatedCamera, "configure", lambda w: w.camera.exposure.setValue(20.0)),
    "model": (Segmenter, "segment", lambda w: None),
    "snapshot": (app.single_frames, "save_snapshot", lambda w: w.actions_by_id["snap"].trigger()),
    "recording": (FrameStore, "append", lambda w: w.actions_by_id["record"].trigger()),
    "export": (handle_exports, "write_counts", lambda w: w.actions_by_id["export_counts"].trigger()),
}
"""What does not come back, and what the operator does to come upon it."""

MEANWHILE = (
    "auto_contrast", "follow_contrast", "full_contrast", "zoom_in", "zoom_out", "actual", "fit", "overlay", "overlay",
    "ids", "tint", "tint", "limits", "crosshair", "profile", "profile", "panels", "panels", "charts", "charts",
    "composite", "composite", "presets", "plan", "calibrate", "devices", "report", "messages", "help", "help",
    "brighter", "dimmer", "channel_2", "channel_1", "counting", "counting", "auto_exposure", "reset_focus", "new_field",
    "export_counts", "session_report", "lights_off",
)  # fmt: skip
"""What an operator may do in the meantime: nearly everything."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("held", HELD)
def test_the_window_goes_on_while_a_call_does_not_come_back(qtbot, tmp_path, monkeypatch, held):
    owner, name, come_upon_it = HELD[held]
    monkeypatch.setattr(app.doctor, "look_for_devices", lambda _tell: Found((), (), ()))
    gate = Gate(monkeypatch, owner, name)
    session, window = make_window(tmp_path)
    tidy = Tidy(window, lambda: True)  # as `run_window` has it
    tidy.start()
    try:
        session.start_live()
        qtbot.waitUntil(lambda: session.state is State.LIVE and window.viewer.result is not None, timeout=30_000)
        gate.closed = True
        come_upon_it(window)
        qtbot.waitUntil(gate.entered.is_set, timeout=20_000)
        beat = Beat()
        beat.start()
        for name in MEANWHILE:
            window.actions_by_id[name].trigger()
            beats = len(beat.gaps)
            qtbot.waitUntil(lambda n=beats: len(beat.gaps) > n, timeout=10_000)
        beat.stop()
        # The last of them is Esc: the light does not wait for the call either.
        qtbot.waitUntil(lambda: window.presenter.light.known and window.presenter.light.channel is None, timeout=10_000)
        assert not gate.go.is_set() and not gate.gave_up, f"the window waited for the {held}"
        assert threading.main_thread() not in gate.threads
        # What the window itself does in one go, by the clock of its thread.
        most_s = 0.1 * max(1.0, slowness())
        assert max(beat.work) < most_s, f"{1000 * max(beat.work):.0f} ms in one go, of {1000 * most_s:.0f} ms"
    finally:
        tidy.stop()
        gate.go.set()
        gate.closed = False
        leave(qtbot, window)


class Cycle:
    """Garbage that only the collector finds; notes where it was found."""

    found: ClassVar[list[threading.Thread]] = []

    def __init__(self):
        self.me = self

    def __del__(self):
        self.found.append(threading.current_thread())


def litter():
    for _ in range(1000):
        Cycle()


def test_garbage_is_collected_on_the_windows_thread_only_and_all_of_it(qtbot):
    parent, busy = QObject(), [True]
    gc.collect()
    Cycle.found.clear()
    with tidied(parent, lambda: busy[0]):
        for _ in range(2):
            worker = threading.Thread(target=litter)
            worker.start()
            worker.join()
        assert not Cycle.found  # Python by itself would have looked by now
        qtbot.waitUntil(lambda: len(Cycle.found) == 2000, timeout=5000)
    assert set(Cycle.found) == {threading.main_thread()}
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_everything_is_looked_at_when_nobody_waits_for_a_picture(qtbot):
    parent, busy = QObject(), [True]
    tidy = Tidy(parent, lambda: busy[0])
    looked = []

    def note(phase, info):
        looked.append(info["generation"]) if phase == "stop" else None

    tidy.start()
    gc.callbacks.append(note)
    try:
        kept = [Cycle() for _ in range(10)]
        for _ in range(300):
            kept.extend([] for _ in range(800))
            tidy.bite()
        assert 1 in looked and 2 not in looked
        busy[0] = False
        tidy.bite()
        assert looked[-1] == 2
    finally:
        gc.callbacks.remove(note)
        tidy.stop()
        tidy.stop()
    assert gc.isenabled()


def test_a_burst_of_new_objects_is_a_part_of_the_program_from_then_on():
    parent = QObject()
    tidy = Tidy(parent, lambda: True)
    tidy.start()
    try:
        before = gc.get_freeze_count()
        loaded = [[] for _ in range(50_000)]
        tidy.bite()
        assert gc.get_freeze_count() >= before + len(loaded)
    finally:
        tidy.stop()
