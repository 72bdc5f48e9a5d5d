"""A slow camera, a slow disk and a slow model, and a window that goes on: nothing of theirs is done on its thread."""

import gc
import threading
import time
from typing import ClassVar

import pytest
from PySide6.QtCore import QObject, QSettings, Qt, QTimer

import app.session
from app.build import make_session
from app.events import State
from app.gui.main_window import MainWindow
from app.gui.store import WindowStore
from app.gui.tidy import Tidy, tidied
from app.hardware.simulated import SimulatedCamera
from app.inference.segmenter import Segmenter
from app.settings import CameraSettings, Settings

SLOW_S = 2.0


def slowed(monkeypatch, owner, name, threads, *, when=lambda: True):
    """Make a call take two seconds more, and note on which thread it runs."""
    real = getattr(owner, name)

    def slow(*args, **kwargs):
        threads.append(threading.current_thread())
        if when():
            time.sleep(SLOW_S)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, slow)


def play(qtbot, tmp_path, monkeypatch):
    """Go through live, a changed exposure and a snapshot with everything slow.

    Returns (threads that ran the slow calls, gaps of the event loop in seconds).
    """
    threads, gaps, last = [], [], [time.monotonic()]
    slowed(monkeypatch, SimulatedCamera, "configure", threads)
    slowed(monkeypatch, Segmenter, "segment", threads)
    slowed(monkeypatch, app.session, "save_snapshot", threads)
    session = make_session(Settings(camera=CameraSettings(fps=10.0, binning=2)))
    window = MainWindow(session, WindowStore(QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat)))
    window.folder = tmp_path
    window.show()

    def beat():
        now = time.monotonic()
        gaps.append(now - last[0])
        last[0] = now

    qtbot.wait(300)
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(5)
    timer.timeout.connect(beat)
    try:
        with tidied(window, lambda: True):  # as `run_window` does
            last[0] = time.monotonic()
            timer.start()
            session.connect()
            session.start_live()
            qtbot.waitUntil(lambda: session.state is State.LIVE and window.viewer.result is not None, timeout=40_000)
            window.camera.exposure.setValue(20.0)
            window.actions_by_id["snap_segment"].trigger()
            qtbot.waitUntil(lambda: window.presenter.snapped is not None, timeout=40_000)
            timer.stop()
    finally:
        timer.stop()
        window.closing.begin(unattended=True)
        qtbot.waitUntil(lambda: window.closing.done, timeout=40_000)
        window.deleteLater()
    return threads, gaps


@pytest.mark.timeout(180)
def test_nothing_slow_runs_on_the_windows_thread(qtbot, tmp_path, monkeypatch):
    threads, gaps = play(qtbot, tmp_path, monkeypatch)
    names = {thread.name.split("_")[0] for thread in threads}
    assert len(names) >= 2
    assert threading.main_thread() not in threads
    # Far below the two seconds that each of the calls takes, whatever else the machine does.
    assert max(gaps) < SLOW_S / 2


@pytest.mark.prove
@pytest.mark.timeout(180)
def test_the_event_loop_never_pauses_for_a_tenth_of_a_second(qtbot, tmp_path, monkeypatch):
    _, gaps = play(qtbot, tmp_path, monkeypatch)
    assert max(gaps) < 0.1, f"longest gap {1000 * max(gaps):.0f} ms"


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
