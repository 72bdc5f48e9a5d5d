"""The light stays off when something goes wrong between two steps of a session."""

import threading
import time

import pytest
from test_session import SMALL, Bench

from app.errors import CameraError, DapiscopeError, LightError
from app.events import LightSeen, Notice, ResultReady, State
from app.frame import Frame, Light
from app.live_path import countable
from app.settings import Settings


@pytest.fixture
def bench():
    made = Bench(Settings(camera=SMALL))
    yield made
    assert made.session.close()
    assert made.lit() is None or not any(made.lit())


def lit_channels(bench):
    return [event.channel for event in bench.watch.of(LightSeen) if event.channel is not None]


def break_next_start(bench):
    camera = bench.session._bench.camera
    start = camera.start

    def refuse(sink, ended):
        camera.start = start
        raise CameraError("The camera does not start; plug it in again.")

    camera.start = refuse


def test_a_camera_that_does_not_restart_with_new_settings_ends_dark(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    break_next_start(bench)
    with pytest.raises(CameraError):
        bench.session.set_camera(SMALL.model_copy(update={"pixel_format": "Mono12"})).result(20)
    bench.watch.wait(lambda: State.FAILED in bench.states)
    bench.watch.wait(lambda: not any(bench.lit()))


def test_settings_that_the_camera_refuses_leave_live_running_as_it_was(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    with pytest.raises(CameraError):
        bench.session.set_camera(SMALL.model_copy(update={"roi": (0, 0, 99_999, 720)})).result(20)
    before = len(bench.watch.of(ResultReady))
    bench.watch.wait_for(ResultReady, before + 2)
    assert bench.session.state is State.LIVE


def test_a_camera_that_does_not_go_on_after_a_snapshot_ends_dark(bench, tmp_path):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    camera = bench.session._bench.camera
    start, calls = camera.start, []

    def refuse_second(sink, ended):
        calls.append(1)
        if len(calls) == 2:
            raise CameraError("The camera does not start; plug it in again.")
        start(sink, ended)

    camera.start = refuse_second
    with pytest.raises(CameraError):
        bench.session.snap(False, tmp_path).result(30)
    bench.watch.wait(lambda: State.FAILED in bench.states)
    bench.watch.wait(lambda: not any(bench.lit()))


def slow_model(bench, gate):
    make = bench.session._parts.counter

    def slow(name):
        gate.wait(20)
        return make(name)

    object.__setattr__(bench.session._parts, "counter", slow)


@pytest.mark.parametrize("how", ["close", "fail"])
def test_what_ends_the_session_while_it_starts_keeps_the_light_off(bench, how):
    gate = threading.Event()
    slow_model(bench, gate)
    started = bench.session.start_live()
    bench.watch.wait(lambda: State.STARTING in bench.states)
    if how == "close":
        closing = threading.Thread(target=bench.session.close)
        closing.start()
        bench.watch.wait(lambda: bench.session.state is State.CLOSED)
    else:
        bench.session.fail(RuntimeError("a slot broke"))
    gate.set()
    with pytest.raises(DapiscopeError):
        started.result(30)
    bench.session.close()
    assert lit_channels(bench) == []


def test_no_light_command_relights_a_camera_that_sends_nothing(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    bench.session._bench.camera.faults.fail_next(10_000)
    bench.watch.wait(lambda: any("No frames" in notice.text for notice in bench.watch.of(Notice)))
    bench.watch.wait(lambda: not any(bench.lit()))
    bench.session.set_intensity(0.6).result(10)
    bench.session.set_channel("488").result(10)
    time.sleep(0.2)
    assert not any(bench.lit())
    bench.session._bench.camera.faults._failing = 0
    bench.watch.wait(lambda: bench.lit()[1] > 0)


def test_a_refused_recording_leaves_live_running(bench, tmp_path, monkeypatch):
    from app.errors import RefusedError

    def refuse(*_args, **_more):
        raise RefusedError("The disk is too slow.", "disk")

    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    monkeypatch.setattr("app.desks.check_disk", refuse)
    with pytest.raises(RefusedError):
        bench.session.start_recording(tmp_path).result(20)
    before = len(bench.watch.of(ResultReady))
    bench.watch.wait_for(ResultReady, before + 2)
    assert bench.session.state is State.LIVE


def test_connecting_again_after_a_failure_is_told_and_ends_idle(bench):
    bench.session.connect().result(20)
    bench.session.fail(RuntimeError("a slot broke"))
    bench.session.connect().result(20)
    assert bench.session.state is State.IDLE
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)


def test_a_snapshot_of_a_channel_without_nuclei_is_saved_and_not_counted(bench, tmp_path):
    bench.session.set_channel("488").result(5)
    taken = bench.session.snap(True, tmp_path).result(30)
    assert set(taken.files) == {"image"}
    assert any("not counted" in notice.text for notice in bench.watch.of(Notice))


@pytest.mark.parametrize(
    ("light", "counts"),
    [
        (Light(), True),
        (Light(reason="the file does not say"), True),
        (Light("405", 0.5, True, ""), True),
        (Light("488", 0.5, True, ""), False),
        (Light(None, 0.0, True, ""), False),
        (Light(reason="light was switching"), False),
    ],
)
def test_what_may_be_counted(light, counts):
    import numpy as np

    frame = Frame(np.zeros((2, 2), np.uint8), 0, 0.0, 0.0, 10.0, 0.0, "Mono8", 0.1, light)
    assert countable(frame, frozenset({"405"})) is counts


def test_a_box_without_a_watchdog_is_told_of(tmp_path):
    from app.hardware.serial_simulator import simulated_light

    made = Bench(Settings(camera=SMALL))
    object.__setattr__(made.session._bench, "_make_light", lambda: simulated_light(None, "Spectra III")[0])
    made.session.connect().result(20)
    assert any("no watchdog" in notice.text for notice in made.watch.of(Notice))
    assert made.session.close()


def test_a_camera_that_never_comes_back_from_its_start_gets_no_light(bench, monkeypatch):
    monkeypatch.setattr("app.shutter.FIRST_FRAME_S", 0.3)
    gate = threading.Event()
    bench.session.connect().result(20)
    camera = bench.session._bench.camera
    start = camera.start

    def hang(sink, ended):
        gate.wait(20)
        start(sink, ended)

    camera.start = hang
    started = bench.session.start_live()
    bench.watch.wait(lambda: "405" in lit_channels(bench))
    bench.watch.wait(lambda: not any(bench.lit()))
    bench.watch.wait(lambda: any("No frames" in notice.text for notice in bench.watch.of(Notice)))
    assert not started.done()
    gate.set()
    started.result(20)
    bench.watch.wait(lambda: bench.lit()[0] > 0)  # with the frames the light comes back


def test_a_new_exposure_does_not_relight_a_camera_that_sends_nothing(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    bench.session._bench.camera.faults.fail_next(10_000)
    bench.watch.wait(lambda: any("No frames" in notice.text for notice in bench.watch.of(Notice)))
    bench.session.set_camera(SMALL.model_copy(update={"exposure_ms": 12.0})).result(10)
    bench.session.set_intensity(0.6).result(10)
    assert not any(bench.lit())
    bench.session._bench.camera.faults._failing = 0
    bench.watch.wait(lambda: bench.lit()[0] > 0)


def test_every_problem_of_stopping_is_told(bench, monkeypatch):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)

    def pause():
        raise CameraError("The camera does not stop; unplug it.")

    def stop_recording():
        raise DapiscopeError("The file was not closed; look at the disk.")

    with monkeypatch.context() as patched:
        patched.setattr(bench.session._bench, "pause", pause)
        patched.setattr(bench.session, "_stop_recording", stop_recording)
        with pytest.raises(CameraError):
            bench.session.stop_live().result(20)
        bench.watch.wait(lambda: State.FAILED in bench.states)
    texts = [notice.text for notice in bench.watch.of(Notice)]
    assert any("does not stop" in text for text in texts)
    assert any("not closed" in text for text in texts)
    bench.watch.wait(lambda: not any(bench.lit()))


def test_an_off_that_nobody_waits_for_and_that_fails_ends_live(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    box = bench.session._bench._keeper._light
    off = box.off

    def refuse():
        box.off = off
        raise LightError("The box refused to switch off; check it.")

    box.off = refuse
    bench.session._bench.off()
    bench.watch.wait(lambda: State.FAILED in bench.states)
    bench.watch.wait(lambda: not any(bench.lit()))


def test_who_closes_second_learns_no_sooner(bench):
    gate = threading.Event()
    bench.session.start_live().result(20)
    pause = bench.session._bench.pause

    def slow():
        gate.wait(20)
        pause()

    bench.session._bench.pause = slow
    answers = []
    closers = [threading.Thread(target=lambda: answers.append(bench.session.close())) for _ in range(2)]
    for closer in closers:
        closer.start()
    time.sleep(0.2)
    assert answers == []
    gate.set()
    for closer in closers:
        closer.join(20)
    assert answers == [True, True]


def test_a_driver_that_hangs_does_not_keep_dapiscope_from_closing(bench, monkeypatch):
    monkeypatch.setattr("app.session.PATIENCE_S", 0.3)
    gate = threading.Event()
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    pause = bench.session._bench.pause

    def hang():
        gate.wait(20)
        pause()

    bench.session._bench.pause = hang
    try:
        assert bench.session.close()
        assert not any(bench.lit())
        assert any("driver does not come back" in notice.text for notice in bench.watch.of(Notice))
    finally:
        gate.set()
