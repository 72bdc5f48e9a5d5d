"""What takes long can be cancelled: the wait ends, it is dark, and what does not come back is left behind."""

import os
import signal
import threading
import time
from contextlib import suppress
from itertools import pairwise

import pytest
from fault_rig import Rig, StubCounter
from test_closing import SkippingClock, hang, texts
from test_plan_session import plan_of

from app.bench import UNREAD, Bench
from app.display import Contrast
from app.errors import (
    CancelledError,
    DapiscopeError,
    LightError,
    LightGoneError,
    LightStuckError,
    RefusedError,
    UsageError,
)
from app.events import (
    CameraReady,
    LightReady,
    LightSeen,
    ModelReady,
    Notice,
    PictureReady,
    SnapTaken,
    State,
    StateChanged,
    Underway,
)
from app.hardware.lumencor import LumencorLight
from app.hardware.serial_simulator import port_to
from app.headless import run_live, run_snap
from app.recording import open_replay


class NamedCounter(StubCounter):
    def __init__(self, name):
        super().__init__()
        self.name = name


@pytest.fixture
def made(tmp_path):
    rig = Rig(tmp_path, clock=SkippingClock())
    rig.clock = rig.session._clock
    rig.release = threading.Event()
    rig.confirmed = True  # dark, at the end
    yield rig
    rig.release.set()
    assert rig.close() is rig.confirmed
    assert not rig.lit()


def shining(rig):
    """Have the box shine from before, as after a program that crashed."""
    before = LumencorLight(port_to(rig.box), light_id="before")
    before.open()
    before.set(0, 0.5)
    assert rig.lit()


def steps(rig):
    return [told.step for told in rig.of(Underway) if told.work == "devices"]


def cancel(rig, asked):
    """Cancel, and let the time pass that a call has to end by itself; return what became of what was asked."""
    rig.session.cancel()
    rig.clock.ahead_s += 2
    return asked.exception(20)


def test_a_start_tells_what_it_is_at(made):
    loading = hang(made, made, "_counter")
    started = made.session.start_live()
    made.wait(lambda: loading.is_set() and "model" in steps(made))
    made.release.set()
    started.result(20)
    assert steps(made) == ["light", "camera", "model", "frames", None]


@pytest.mark.parametrize("what", ["open", "configure", "start"])
def test_a_camera_that_does_not_come_back_is_left_behind_and_closed_when_it_does(made, what):
    hangs = hang(made, made.camera, what)
    closed = []
    close = made.camera.close
    made.camera.close = lambda: (closed.append(threading.current_thread().name), close())
    started = made.session.start_live()
    made.wait(hangs.is_set)
    assert isinstance(cancel(made, started), CancelledError)
    made.wait(lambda: made.session.state is State.IDLE and not made.lit())
    assert texts(made)[-1] == "The start was cancelled; nothing shines and nothing was recorded."
    assert made.session._bench.camera is None
    closed.clear()
    made.release.set()
    made.wait(lambda: not made.session._cancellation.left)
    assert closed[-1] == "app-call" and not made.camera._opened
    assert not made.lit()
    frames = made.session.stats().grabbed
    made.session.start_live().result(20)  # and then it is opened anew
    assert made.session.state is State.LIVE
    made.wait(lambda: made.session.stats().grabbed > frames)


def test_the_next_start_waits_for_what_was_left_behind_and_can_be_cancelled_too(made):
    hangs = hang(made, made.camera, "open")
    started = made.session.start_live()
    made.wait(hangs.is_set)
    cancel(made, started)
    again = made.session.start_live()
    made.wait(lambda: "left" in steps(made))
    assert isinstance(cancel(made, again), CancelledError)
    made.wait(lambda: made.session.state is State.IDLE)
    made.release.set()
    made.session.start_live().result(20)


def test_a_call_that_ends_by_itself_keeps_its_device(made):
    hangs = hang(made, made.camera, "open")
    connected = made.session.connect()
    made.wait(hangs.is_set)
    made.session.cancel()
    made.release.set()
    assert isinstance(connected.exception(20), CancelledError)
    assert made.session.state is State.IDLE and made.session._bench.camera is not None
    assert texts(made)[-1] == "Opening the devices was cancelled; live imaging and snapshots open them."


def test_a_light_that_does_not_come_back_is_left_behind_dark(made):
    light = made.session._bench._make_light()
    made.session._bench._make_light = lambda: light
    shining(made)
    hangs = hang(made, light, "open")
    connected = made.session.connect()
    made.wait(hangs.is_set)
    assert isinstance(cancel(made, connected), LightStuckError)  # nobody has read the box
    assert made.lit() and made.session.state is State.FAILED and not made.of(LightReady)
    assert "THE LIGHT MAY STILL BE ON" in texts(made)[-1] and not made.of(LightSeen)[-1].known
    assert made.session.light_opened  # and has to be confirmed off at the end
    again = made.session.start_live()
    made.wait(lambda: "left" in steps(made))
    assert isinstance(cancel(made, again), LightStuckError) and made.session.state is State.FAILED
    made.release.set()
    made.wait(lambda: not made.session._cancellation.left)
    assert not made.lit() and made.of(LightSeen)[-1].known
    made.session.start_live().result(20)
    assert len(made.of(LightReady)) == 1
    made.wait(made.lit)


@pytest.mark.parametrize("camera", ["hangs", "is a wrong folder"])
@pytest.mark.parametrize("how", ["connect", "start_live", "snap"])
def test_a_light_that_is_not_confirmed_off_is_told_before_the_camera_is_looked_at(made, tmp_path, how, camera):
    light, stuck = made.session._bench._make_light(), "THE LIGHT MAY STILL BE ON at sim; cut its power now."

    def cannot_darken():
        raise LightStuckError(stuck)

    def no_folder():
        raise UsageError("There are no images; choose another folder.")

    light.open = cannot_darken
    made.session._bench._make_light = lambda: light
    if camera == "hangs":
        hang(made, made.camera, "open")
    else:
        made.session._bench._make_camera = no_folder
    asked = made.session.snap(False, tmp_path) if how == "snap" else getattr(made.session, how)()
    assert isinstance(asked.exception(20), LightStuckError)
    assert texts(made) == [stuck] and made.session.state is State.FAILED
    assert made.session.light_opened  # it has to be confirmed off at the end, and is not
    made.confirmed = False


@pytest.mark.parametrize("error", [LightStuckError, LightGoneError, LightError])
def test_the_end_claims_no_light_confirmed_off_that_was_not(made, error):
    light = made.session._bench._make_light()
    opens = light.open

    def fails():
        raise error("It does not answer.")

    light.open = fails
    made.session._bench._make_light = lambda: light
    assert isinstance(made.session.connect().exception(20), error)
    in_doubt = error is not LightError  # there is no such box
    assert made.session.light_opened is in_doubt and made.session._bench.close_light() is not in_doubt
    light.open = opens
    made.session.connect().result(20)
    assert made.session._bench.dark


@pytest.mark.parametrize("camera", ["hangs", "is a wrong folder", "breaks"])
def test_nothing_of_the_camera_replaces_what_became_of_the_light(made, camera):
    def no_light():
        raise LightError("There is no light.")

    def no_camera():
        raise UsageError("There are no images.") if camera == "is a wrong folder" else ImportError("no driver")

    made.session._bench._make_light = no_light
    if camera == "hangs":
        hangs = hang(made, made.camera, "open")
        started = made.session.start_live()
        made.wait(hangs.is_set)
        error = cancel(made, started)
    else:
        made.session._bench._make_camera = no_camera
        error = made.session.start_live().exception(20)
    assert type(error) is LightError and str(error).startswith("There is no light.")
    assert made.session.state is State.FAILED


def test_what_waits_behind_what_is_cancelled_is_cancelled_with_it(made):
    hangs = hang(made, made.camera, "open")
    connected, started = made.session.connect(), made.session.start_live()
    made.wait(hangs.is_set)
    assert isinstance(cancel(made, connected), CancelledError)
    assert isinstance(started.exception(20), CancelledError)
    assert made.session.state is State.IDLE and State.STARTING not in [told.state for told in made.of(StateChanged)]
    made.session.stop_live().result(20)  # what cannot be cancelled is done


def test_a_snapshot_that_was_left_behind_does_not_light_the_next_one(made, tmp_path):
    made.session.connect().result(20)
    configure, hangs = made.camera.configure, threading.Event()

    def stuck(settings):
        if settings.trigger == "software" and not hangs.is_set():  # the snapshot's own, just before its light
            hangs.set()
            assert made.release.wait(30)
        return configure(settings)

    made.camera.configure = stuck
    snapped = made.session.snap(False, tmp_path)
    made.wait(hangs.is_set)
    assert isinstance(cancel(made, snapped), CancelledError)
    again = made.session.snap(False, tmp_path)
    made.wait(lambda: made.session.state is State.SNAPPING and "left" in steps(made))
    made.release.set()  # and the first one goes on while a snapshot is under way
    again.result(20)
    seen = [told.channel for told in made.of(LightSeen)]
    assert sum(now is not None and before is None for before, now in pairwise(seen)) == 1
    assert len(made.of(SnapTaken)) == 1


def test_frames_of_a_camera_that_was_left_behind_are_nobodys(made):
    hangs = hang(made, made.camera, "start")
    close, grabbed = made.camera.close, []

    def late():
        if made.release.is_set():
            made.wait(lambda: made.camera.stats().grabbed >= 2)
            grabbed.append(made.camera.stats().grabbed)
        close()

    made.camera.close = late
    started = made.session.start_live()
    made.wait(hangs.is_set)
    assert isinstance(cancel(made, started), CancelledError)
    made.wait(lambda: made.session.state is State.IDLE)
    made.release.set()
    made.wait(lambda: not made.session._cancellation.left)
    made.camera.close = close
    assert grabbed
    assert made.session.last_frame is None and made.session.state is State.IDLE


@pytest.mark.parametrize("live", [False, True])
def test_a_snapshot_whose_camera_does_not_come_back_is_cancelled_in_the_dark(made, tmp_path, live):
    (made.session.start_live() if live else made.session.connect()).result(20)
    hangs = hang(made, made.camera, "trigger")
    snapped = made.session.snap(True, tmp_path)
    made.wait(hangs.is_set)
    made.session.cancel()
    made.wait(lambda: not made.lit())
    made.clock.ahead_s += 2
    assert isinstance(snapped.exception(20), CancelledError)
    made.wait(lambda: made.session.state is State.IDLE)
    assert texts(made)[-1] == "The snapshot was cancelled; nothing was taken."
    made.release.set()
    made.session.start_live().result(20)
    assert not made.of(SnapTaken) and not list(tmp_path.glob("*.tif"))


def test_a_snapshot_that_is_cancelled_in_time_goes_back_to_live(made, tmp_path):
    made.session.start_live().result(20)
    hangs = hang(made, made.camera, "trigger")
    snapped = made.session.snap(False, tmp_path)
    made.wait(hangs.is_set)
    made.session.cancel()
    made.release.set()
    assert isinstance(snapped.exception(20), CancelledError)
    assert made.session.state is State.LIVE
    made.wait(made.lit)
    assert not list(tmp_path.glob("*.tif"))


def test_a_picture_whose_count_is_cancelled_is_saved(made, tmp_path):
    made.session.start_live().result(20)
    made.session.stop_live().result(20)
    made.counter = NamedCounter("accurate")
    hangs = hang(made, made.counter, "segment")
    snapped = made.session.snap(True, tmp_path)
    made.wait(hangs.is_set)
    assert steps(made)[-3:] == ["picture", "model", "count"]
    made.session.cancel()
    taken = snapped.result(20)
    assert taken.segmentation is None and taken.files["image"].exists() and taken.model_name == ""
    assert "Counting was cancelled; the picture is saved." in texts(made)
    results = made.session.last_result
    made.release.set()
    made.session.snap(False, tmp_path).result(20)
    assert made.session.last_result is results  # what was found late is nobody's
    assert steps(made)[-2:] == ["files", None]


def test_a_model_that_does_not_load_is_left_behind_and_another_counts(made):
    hangs = hang(made, made, "_counter")
    started = made.session.start_live()
    made.wait(hangs.is_set)
    made.wait(lambda: "model" in steps(made))
    assert isinstance(cancel(made, started), CancelledError)
    made.wait(lambda: made.session.state is State.IDLE)
    made._counter = lambda: NamedCounter("other")
    made.session.set_model("other").result(20)
    made.session.start_live().result(20)
    made.release.set()
    made.wait(lambda: made.session.counter.name == "other" and made.session.last_result is not None)
    assert [ready.name for ready in made.of(ModelReady)] == ["other"]


def test_a_choice_of_another_model_that_is_cancelled_is_taken_back(made):
    made.session.start_live().result(20)
    hangs = hang(made, made, "_counter")
    made.session.set_model("slow")
    made.wait(hangs.is_set)
    made.session.cancel()
    assert made.session.settings.segmentation.model == "stub"
    assert [ready.name for ready in made.of(ModelReady)] == ["stub", "stub"]
    made.release.set()
    made.session.set_model("stub").result(20)
    assert made.session.counter.name == "stub" and made.session.state is State.LIVE


def test_closing_does_not_wait_for_ever_for_what_was_left_behind(made):
    hangs = hang(made, made.camera, "open")
    started = made.session.start_live()
    made.wait(hangs.is_set)
    cancel(made, started)
    closer = threading.Thread(target=made.session.close)
    closer.start()
    made.wait(lambda: made.session.state is State.CLOSED)
    while closer.is_alive():
        made.clock.ahead_s += 31
        closer.join(0.1)
    assert any("does not come back" in text for text in texts(made))
    assert not made.of(CameraReady)


def test_a_start_whose_last_call_comes_back_in_time_is_cancelled_too(made, tmp_path):
    hangs = hang(made, made.camera, "start")
    started = made.session.start_live(record_to=tmp_path)
    made.wait(lambda: hangs.is_set() and made.lit())
    made.session.cancel()
    made.release.set()
    assert isinstance(started.exception(20), CancelledError)
    assert made.session.state is State.IDLE and not made.lit() and not made.session._bench.running
    assert texts(made)[-1] == "The start was cancelled; nothing shines and nothing was recorded."
    assert State.LIVE not in [told.state for told in made.of(StateChanged)]


def test_a_start_that_is_cancelled_where_the_box_does_not_say_it_is_dark_claims_no_darkness(made, monkeypatch):
    hangs = hang(made, made.camera, "start")
    started = made.session.start_live()
    made.wait(lambda: hangs.is_set() and made.lit())
    monkeypatch.setattr(Bench, "dark", property(lambda bench: False))
    assert isinstance(cancel(made, started), LightStuckError)
    assert made.session.state is State.FAILED and "THE LIGHT MAY STILL BE ON" in texts(made)[-1]
    assert not any("nothing shines" in text for text in texts(made))


@pytest.mark.parametrize("box", ["refuses", "does not answer"])
def test_a_start_that_is_cancelled_and_leaves_the_light_in_doubt_is_told_once(made, monkeypatch, box):
    monkeypatch.setattr("app.stopping.ANSWER_S", 0.2)
    hangs = hang(made, made.camera, "start")
    started = made.session.start_live()
    made.wait(lambda: hangs.is_set() and made.lit())
    bench, answers = made.session._bench, threading.Event()
    light, failed = bench._keeper._light, bench._light_failed
    off, stuck = light.off, "THE LIGHT MAY STILL BE ON at sim; cut its power now."

    def fails():
        if box == "does not answer":
            assert answers.wait(30)
        raise LightStuckError(stuck)

    light.off = fails
    heard = []  # who asked for "off" hears of it a moment later than who waits for it
    monkeypatch.setattr(bench, "_light_failed", heard.append)
    error = cancel(made, started)
    for late in tuple(heard):
        failed(late)
    assert isinstance(error, LightStuckError) and made.session.state is State.FAILED
    assert texts(made) == [stuck if box == "refuses" else UNREAD] == [str(error)]
    light.off = off
    answers.set()


def test_a_start_that_is_cancelled_tells_what_was_recorded(made, tmp_path):
    start, hangs = made.camera.start, threading.Event()

    def delivers(*sinks):
        start(*sinks)
        hangs.set()
        assert made.release.wait(30)

    made.camera.start = delivers
    started = made.session.start_live(record_to=tmp_path)
    made.wait(lambda: hangs.is_set() and made.recorder is not None and made.recorder.status.acknowledged >= 3)
    path = made.recorder.path
    assert isinstance(cancel(made, started), CancelledError)
    with open_replay(path) as replay:
        frames, told = replay.length, replay.info.meta
    assert frames >= 3 and int(told["grabbed"]) >= frames
    assert texts(made)[-1] == f"The start was cancelled; nothing shines and {frames} frames were recorded."


def test_a_disk_that_is_full_behind_a_cancelled_count_is_told_and_nothing_is_called_saved(made, tmp_path, monkeypatch):
    made.session.connect().result(20)

    def full(*_arguments, **_more):
        raise RefusedError("The disk is full: choose another folder.", "disk")

    monkeypatch.setattr("app.single_frames.save_snapshot", full)
    hangs = hang(made, made.counter, "segment")
    snapped = made.session.snap(True, tmp_path)
    made.wait(hangs.is_set)
    made.session.cancel()
    assert isinstance(snapped.exception(20), RefusedError)
    assert made.of(Notice)[-1] == Notice("error", "The disk is full: choose another folder.", "folder")
    assert not any("saved" in text for text in texts(made))


def test_cancelling_once_live_imaging_is_resumed_behind_a_snapshot_cancels_nothing(made, tmp_path, monkeypatch):
    made.session.start_live().result(20)
    bench, offs = made.session._bench, []
    run, off = bench.run, bench.off

    def run_cancelled(*arguments):
        monkeypatch.setattr(bench, "off", lambda: (offs.append(1), off())[1])
        made.session.cancel()
        run(*arguments)

    monkeypatch.setattr(bench, "run", run_cancelled)
    assert made.session.snap(False, tmp_path).result(20).files["image"].exists()
    assert not offs and made.session.state is State.LIVE
    made.wait(made.lit)


@pytest.mark.parametrize("what", ["calibrate", "run_plan"])
def test_what_cannot_be_cancelled_does_not_wait_for_what_was_left_behind(made, tmp_path, what):
    hangs = hang(made, made.camera, "open")
    started = made.session.start_live()
    made.wait(hangs.is_set)
    cancel(made, started)
    asked = made.session.calibrate("405", 2) if what == "calibrate" else made.session.run_plan(plan_of(2), tmp_path)
    assert "has not come back from its driver" in str(asked.exception(20))
    assert made.session.state is State.IDLE and "ask again" in texts(made)[-1]


def test_a_camera_that_is_only_exposing_is_not_left_behind(made, tmp_path):
    made.session.start_live().result(20)
    made.session.set_camera(made.settings.camera.model_copy(update={"exposure_ms": 2500})).result(20)
    exposes = threading.Event()

    def cut_short():
        exposes.set()
        assert made.release.wait(30)
        raise DapiscopeError("The snapshot was cut short.")

    made.camera.snap = cut_short
    snapped = made.session.snap(False, tmp_path)
    made.wait(exposes.is_set)
    looks, monotonic = [], made.clock.monotonic
    made.clock.monotonic = lambda: (looks.append(threading.current_thread().name), monotonic())[1]
    waits = lambda times: made.wait(lambda: sum(name.startswith("app-devices") for name in looks) >= times)  # noqa: E731
    made.session.cancel()
    waits(1)
    made.clock.ahead_s += 2  # more than any call has, less than this exposure
    waits(sum(name.startswith("app-devices") for name in looks) + 2)
    made.release.set()
    assert isinstance(snapped.exception(20), CancelledError)
    assert made.session.state is State.LIVE and made.session._bench.camera is not None


def test_the_last_picture_is_redrawn_while_a_model_that_was_left_behind_hangs(made, tmp_path):
    made.session.snap(False, tmp_path).result(20)
    hangs = hang(made, made, "_counter")
    made.session.set_model("slow")
    made.wait(hangs.is_set)
    made.session.set_model("slow too")
    made.session.set_contrast(Contrast())  # waits behind the models
    shown = len(made.of(PictureReady))
    made.session.cancel()
    made.wait(lambda: len(made.of(PictureReady)) > shown)
    made.session.set_contrast(Contrast())
    made.wait(lambda: len(made.of(PictureReady)) > shown + 1)
    assert not made.release.is_set()


RUNS = {
    "live": lambda made: run_live(made.session, seconds=5, out=None),
    "snap": lambda made: run_snap(made.session, segment=False, out=made.folder),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_signal_cancels_what_a_run_without_a_window_waits_for(made, run):
    hangs = hang(made, made.camera, "open")

    def strike():
        assert hangs.wait(20)
        os.kill(os.getpid(), signal.SIGINT)
        with suppress(AssertionError):
            made.wait(lambda: made.session._cancellation.left, 10)
        made.release.set()

    striker = threading.Thread(target=strike)
    striker.start()
    account = RUNS[run](made)
    striker.join()
    assert account["interrupted"] and account["error"] is None and "refused" not in account
    assert account["frames"]["grabbed"] == 0 and account["light"]["confirmed_off"]
    assert not any(any(levels) for _, levels in made.box.changes_between(0.0, time.monotonic()))


@pytest.mark.parametrize("when", ["measuring", "models"])
def test_a_signal_before_the_first_frame_is_no_refusal_and_no_failure(made, when, monkeypatch):
    if when == "measuring":

        def measure(folder, camera, frames, progress):
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                time.sleep(0.05)
                progress(0.1)

        monkeypatch.setattr("app.desks.check_rate", measure)
    else:
        loading = hang(made, made, "_counter")
        threading.Thread(target=lambda: (loading.wait(20), os.kill(os.getpid(), signal.SIGTERM))).start()
    account = run_live(made.session, seconds=5, out=made.folder)
    made.release.set()
    assert account["interrupted"] and account["error"] is None and "refused" not in account


def test_a_run_without_a_window_ends_though_the_camera_does_not_come_back_from_its_stop(made, monkeypatch):
    monkeypatch.setattr("app.patience.DEVICE_S", 0.5)
    hung = []

    def runs(log):
        if log.first_frame.is_set() and not hung:
            hung.append(hang(made, made.camera, "stop"))

    account = run_live(made.session, seconds=0.5, out=None, progress=runs)
    assert hung[0].is_set()
    assert not made.release.is_set() and account["light"]["confirmed_off"]
    assert any("does not come back" in text for text in account["notices"])
