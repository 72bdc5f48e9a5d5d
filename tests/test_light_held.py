"""The light stays off when something goes wrong between two steps of a session."""

import os
import threading
import time

import pytest
from test_session import SMALL, Bench

from app.clock import SystemClock
from app.errors import CameraError, DapiscopeError, LightError, LightGoneError, ModelError, RefusedError
from app.events import DiskMeasured, LightSeen, Notice, ResultReady, State, StateChanged
from app.frame import Frame, Light
from app.hardware.base import LightInfo, LightReading, LightSource
from app.hardware.led_box import LedBox
from app.hardware.light_truth import LightTimeline
from app.hardware.serial_simulator import serve_pty
from app.light_keeper import LightKeeper
from app.live_path import countable
from app.plan import make_plan
from app.settings import DEFAULT_CHANNELS, LightSettings, Settings


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
    bench.watch.wait(lambda: any("switched back on" in notice.text for notice in bench.watch.of(Notice)))


def test_a_refused_recording_leaves_live_running(bench, tmp_path, monkeypatch):
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


@pytest.mark.parametrize("asked", ["nothing", "all off", "darkness"])
def test_it_is_dark_while_the_disk_is_measured_for_a_recording(bench, tmp_path, monkeypatch, asked):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    if asked == "darkness":
        bench.session.set_channel(None).result(20)
    measuring = []

    def check(*_args, **_more):
        measuring.append(any(bench.lit()))
        if asked == "all off":
            bench.session.all_off().result(20)

    monkeypatch.setattr("app.desks.check_disk", check)
    bench.session.start_recording(tmp_path).result(20)
    assert measuring == [False]
    assert any(bench.lit()) is (asked == "nothing")
    bench.session.stop_recording().result(20)


def test_a_measurement_of_the_disk_that_fails_leaves_it_dark(bench, tmp_path, monkeypatch):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    seen = []

    def check(*_args, **_more):
        seen.append(len(lit_channels(bench)))
        raise RuntimeError("a slot broke")

    monkeypatch.setattr("app.desks.check_disk", check)
    with pytest.raises(RuntimeError):
        bench.session.start_recording(tmp_path).result(20)
    bench.watch.wait(lambda: State.FAILED in bench.states)
    assert len(lit_channels(bench)) == seen[0]


@pytest.mark.parametrize("asked", ["stop", "darkness"])
@pytest.mark.parametrize("live", [True, False])
def test_darkness_that_is_asked_while_the_disk_is_measured_is_not_lit_before(bench, tmp_path, monkeypatch, asked, live):
    ended = []
    if live:
        bench.session.start_live().result(20)
        bench.watch.wait_for(ResultReady)

    def check(*_args, progress, **_more):
        lit = len(lit_channels(bench))
        ended.append(bench.session.stop_live() if asked == "stop" else bench.session.set_channel(None))
        ended.append(lit)
        progress(0.5)

    monkeypatch.setattr("app.desks.check_disk", check)
    recording = bench.session.start_recording(tmp_path)
    recording.exception(20)
    ended[0].result(20)
    assert len(lit_channels(bench)) == ended[1]
    assert isinstance(recording.exception(20), RefusedError if asked == "stop" else type(None))
    assert bench.session.state is (State.IDLE if asked == "stop" else State.LIVE)
    bench.session.set_channel("405").result(20)
    bench.session.start_live().result(20)
    assert any(bench.lit()), "what is asked afterwards shines"


def test_live_imaging_that_is_stopped_during_a_snapshot_does_not_shine_again(bench, tmp_path):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    acquire, lit = bench.session._bench.snap, []

    def snap(*given):
        frame = acquire(*given)
        lit.append((bench.session.stop_live(), len(lit_channels(bench))))
        return frame

    bench.session._bench.snap = snap
    bench.session.snap(False, tmp_path).result(20)
    stopped, before = lit[0]
    stopped.result(20)
    assert len(lit_channels(bench)) == before


def held_devices(bench):
    """Return what lets the device worker go on: until it is set, commands only queue."""
    gate = threading.Event()
    bench.session._devices.submit(gate.wait, 20)
    return gate


def test_a_recording_that_comes_behind_a_stop_is_not_begun(bench, tmp_path):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    gate = held_devices(bench)
    stopped, recording = bench.session.stop_live(), bench.session.start_recording(tmp_path)
    gate.set()
    stopped.result(20)
    with pytest.raises(CameraError, match="no recording was begun"):
        recording.result(20)
    assert not bench.session._recording.active and not list(tmp_path.iterdir())


def test_a_recording_that_is_given_up_before_its_turn_is_not_measured(bench, tmp_path, monkeypatch):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    measured = []
    monkeypatch.setattr("app.desks.check_disk", lambda *_args, **_more: measured.append(1))
    gate = held_devices(bench)
    recording = bench.session.start_recording(tmp_path)
    bench.session.give_up_recording()
    again = bench.session.start_recording(tmp_path)
    gate.set()
    with pytest.raises(RefusedError):
        recording.result(20)
    again.result(20)
    assert measured == [1]
    bench.session.stop_recording().result(20)


@pytest.mark.parametrize("doing", [State.STARTING, State.SNAPPING])
def test_a_recording_that_is_asked_for_on_the_way_to_live_is_begun_there(bench, tmp_path, doing):
    gate = threading.Event()
    if doing is State.STARTING:
        slow_model(bench, gate)
        bench.session.start_live()
    else:
        bench.session.start_live().result(20)
        acquire = bench.session._bench.snap
        bench.session._bench.snap = lambda *given: (gate.wait(20), acquire(*given))[1]
        bench.session.snap(False, tmp_path / "snap")
    bench.watch.wait(lambda: doing in bench.states)
    recording = bench.session.start_recording(tmp_path / "run")
    gate.set()
    recording.result(20)
    assert bench.session.state is State.LIVE and bench.session._recording.active
    bench.session.stop_recording().result(20)


@pytest.mark.parametrize("live", [True, False])
def test_a_recording_is_given_up_while_its_disk_is_measured(bench, tmp_path, monkeypatch, live):
    def check(*_args, progress, **_more):
        progress(0.25)
        bench.session.give_up_recording()
        progress(0.5)

    if live:
        bench.session.start_live().result(20)
        bench.watch.wait_for(ResultReady)
    monkeypatch.setattr("app.desks.check_disk", check)
    with pytest.raises(RefusedError):
        bench.session.start_recording(tmp_path).result(20)
    assert [event.done for event in bench.watch.of(DiskMeasured)] == [0.25, None]
    assert bench.session.state is (State.LIVE if live else State.IDLE)
    assert any(bench.lit()) is live
    assert bench.watch.of(Notice)[-1].level == "info" and not list(tmp_path.iterdir())


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
    bench.watch.wait(lambda: not any(bench.lit()))
    bench.session.set_camera(SMALL.model_copy(update={"exposure_ms": 12.0})).result(10)
    bench.session.set_intensity(0.6).result(10)
    assert not any(bench.lit())
    bench.session._bench.camera.faults._failing = 0
    bench.watch.wait(lambda: bench.lit()[0] > 0)


def test_a_light_that_does_not_come_back_with_the_frames_is_not_told_to_be_on(bench, monkeypatch):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    bench.session._bench.camera.faults.fail_next(10_000)
    bench.watch.wait(lambda: any("No frames" in notice.text for notice in bench.watch.of(Notice)))
    asked, switch = threading.Event(), bench.session._bench.switch

    def off_first(*arguments):
        bench.session.all_off().result(20)
        asked.set()
        return switch(*arguments)

    monkeypatch.setattr(bench.session._bench, "switch", off_first)
    bench.session._bench.camera.faults._failing = 0
    assert asked.wait(20)
    bench.session._devices.submit(int).result(20)  # behind it
    assert not any("switched back on" in notice.text for notice in bench.watch.of(Notice))
    assert not any(bench.lit())


def test_a_light_and_a_camera_that_are_missing_are_both_told_at_once(bench, monkeypatch):
    def no_light(*_arguments):
        raise LightError("There is no light.")

    def no_camera():
        raise CameraError("There is no camera.")

    monkeypatch.setattr(bench.session._bench, "_make_light", no_light)
    make_camera = bench.session._bench._make_camera
    monkeypatch.setattr(bench.session._bench, "_make_camera", no_camera)
    with pytest.raises(LightError, match=r"^There is no light\. There is no camera\.$"):
        bench.session.connect().result(20)
    monkeypatch.setattr(bench.session._bench, "_make_camera", make_camera)
    with pytest.raises(LightError, match=r"^There is no light\.$"):
        bench.session.connect().result(20)


def test_every_problem_of_stopping_is_told(bench, monkeypatch):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)

    def pause():
        raise CameraError("The camera does not stop; unplug it.")

    def stop_recording():
        raise DapiscopeError("The file was not closed; look at the disk.")

    with monkeypatch.context() as patched:
        patched.setattr(bench.session._bench, "pause", pause)
        patched.setattr(bench.session._live_recording, "stop", stop_recording)
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
    monkeypatch.setattr("app.patience.DEVICE_S", 0.3)
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
        assert any("does not come back" in notice.text for notice in bench.watch.of(Notice))
    finally:
        gate.set()


def test_live_frames_are_confirmed_only_once_the_light_has_settled():
    made = Bench(Settings(camera=SMALL, light=LightSettings(settle_ms=400)))
    try:
        made.session.start_live().result(20)
        made.session.set_intensity(0.6).result(20)
        seen = [event.reading for event in made.watch.of(LightSeen) if event.level == pytest.approx(0.6)]

        def settled():
            frames = [event.segmentation.frame for event in made.watch.of(ResultReady)]
            return [frame for frame in frames if frame.light.intensity == pytest.approx(0.6)]

        made.watch.wait(settled)
        for frame in settled():
            began_s = frame.exposure_end_s - (frame.exposure_ms + frame.readout_ms) / 1000
            assert began_s >= seen[0].confirmed_s + 0.4
    finally:
        assert made.session.close()


def test_the_shutter_waits_for_a_light_that_settles(monkeypatch):
    class Quick(SystemClock):
        def sleep(self, seconds):
            return

    made = Bench(Settings(camera=SMALL, light=LightSettings(settle_ms=4000)), Quick())
    armed = []
    shutter = made.session._light.shutter
    arm = shutter.arm

    def note(now_s, period_s):
        armed.append(now_s - time.monotonic())
        arm(now_s, period_s)

    shutter.arm = note
    try:
        made.session.start_live().result(20)
        assert armed[0] > 2
    finally:
        assert made.session.close()


def test_a_box_that_was_reset_gets_its_watchdog_before_it_shines_again(bench):
    bench.session.start_live().result(20)
    bench.session.stop_live().result(20)
    box = bench.parts._box
    box.power_cycle()
    assert box.watchdog_ms == 0
    at_first_light = []
    box.on_change = lambda _unix_s, levels, _cause: at_first_light.append((box.watchdog_ms, any(levels)))
    bench.session.start_live().result(20)
    assert at_first_light[0] == (2000, True)


def test_a_watchdog_that_is_switched_off_is_told():
    made = Bench(Settings(camera=SMALL, light=LightSettings(watchdog_ms=0)))
    made.session.connect().result(20)
    assert any("watchdog_ms = 0" in notice.text for notice in made.watch.of(Notice))
    assert made.session.close()


def test_a_snapshots_emergency_off_that_fails_is_told(bench, tmp_path):
    bench.session.connect().result(20)
    camera, light = bench.session._bench.camera, bench.session._bench._keeper._light
    off = light.off
    refused = threading.Event()

    def refuse():
        light.off = off
        refused.set()
        raise LightError("The box refused to switch off; check it.")

    snap = camera.snap

    def mute(*arguments):
        light.off = refuse
        assert refused.wait(20)
        return snap(*arguments)

    camera.snap = mute
    bench.session.snap(False, tmp_path).exception(30)
    bench.watch.wait(lambda: any("refused to switch off" in notice.text for notice in bench.watch.of(Notice)))
    assert State.FAILED in bench.states
    bench.watch.wait(lambda: not any(bench.lit()))


@pytest.mark.parametrize("what", ["plan", "replay"])
def test_live_that_does_not_stop_for_something_else_ends_the_session(bench, tmp_path, what):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    pause = bench.session._bench.pause

    def stuck():
        bench.session._bench.pause = pause
        raise CameraError("The camera does not stop; unplug it.")

    bench.session._bench.pause = stuck
    plan = make_plan({"channels": ["405"]}, bench.session.settings)
    asked = bench.session.run_plan(plan, tmp_path) if what == "plan" else bench.session.open_replay(tmp_path)
    with pytest.raises(CameraError):
        asked.result(20)
    assert bench.session.state is State.FAILED
    bench.watch.wait(lambda: not any(bench.lit()))
    bench.session.start_live().result(20)
    assert bench.session.state is State.LIVE


def test_all_off_is_not_overtaken_by_a_light_that_was_about_to_come_on(bench):
    gate = threading.Event()
    bench.session.connect().result(20)
    inner, camera = bench.session._bench, bench.session._bench.camera
    run, start = inner.run, camera.start

    def off_first(*arguments):
        bench.session.all_off().result(20)
        return run(*arguments)

    def late(sink, ended):
        gate.wait(20)
        start(sink, ended)

    inner.run, camera.start = off_first, late
    started = bench.session.start_live()
    bench.watch.wait(lambda: inner.running)
    assert not any(bench.lit()) and lit_channels(bench) == []
    gate.set()
    started.result(20)
    assert bench.session.state is State.LIVE and lit_channels(bench) == []


def test_all_off_before_a_light_that_waits_lets_live_go_on_in_the_dark(bench):
    gate, reads = threading.Event(), threading.Event()
    bench.session.connect().result(20)
    keeper = bench.session._bench._keeper
    read = keeper._light.read

    def slow():
        keeper._light.read = read
        reads.set()
        gate.wait(20)
        return read()

    keeper._light.read = slow
    assert reads.wait(20)
    started = bench.session.start_live()
    while not any(job.is_switch for job in keeper._jobs.queue):
        time.sleep(0.001)
    off = bench.session.all_off()
    gate.set()
    assert off.result(20).dark
    started.result(20)
    assert bench.session.state is State.LIVE and lit_channels(bench) == []


def test_a_camera_that_was_replugged_while_idle_takes_the_next_snapshot(bench, tmp_path):
    bench.session.connect().result(20)
    camera = bench.session._bench.camera
    camera.faults.unplug()
    with pytest.raises(CameraError, match="plug it in"):
        bench.session.snap(False, tmp_path).result(30)
    camera.faults.replug()
    assert bench.session.snap(False, tmp_path).result(30).frame.light.confirmed
    camera.faults.unplug()
    camera.faults.replug()
    assert bench.session.snap(False, tmp_path).result(30).frame.light.confirmed
    assert State.FAILED not in bench.states


def test_a_removed_pylon_camera_that_is_back_takes_the_next_snapshot(tmp_path, monkeypatch):
    monkeypatch.setenv("PYLON_CAMEMU", "1")
    made = Bench(Settings(camera_id="pylon", camera=SMALL))
    try:
        made.session.connect().result(20)
        made.session._bench.camera._camera.FirePnPCallback.Execute()
        assert made.session.snap(False, tmp_path).result(30).frame.light.confirmed
    finally:
        assert made.session.close()


class Replugged(LightSource):
    """A light whose cable was pulled and whose port takes some tries to be there again."""

    def __init__(self, absent):
        self.absent, self.present = absent, False

    info = LightInfo("stub", "stub", "1", "1", 4, ("a", "b", "c", "d"), has_watchdog=False, simulated=True)

    def open(self):
        if self.absent < 0:
            self.absent += 1
            raise LightError("There is no port; plug the light source in.")
        self.present = True

    def set(self, line, level=0.0):
        if not self.present:
            raise LightError("The light source is not open; open it first.")
        return LightReading((0.0,) * 4, time.monotonic(), time.monotonic())

    def read(self):
        if self.absent > 0:
            self.absent, self.present = -self.absent, False
            raise LightGoneError("The light source is gone; check its cable.")
        return self.set(None)

    def set_watchdog(self, timeout_ms):
        return False

    def close(self):
        self.present = False


def test_a_replugged_light_is_taken_back_though_its_port_is_late():
    light, seen, failed, back = Replugged(absent=0), [], [], threading.Event()

    def note(event):
        seen.append(event.known)
        if event.known and False in seen:
            back.set()

    keeper = LightKeeper(
        light, DEFAULT_CHANNELS, LightTimeline(DEFAULT_CHANNELS), SystemClock(), note, failed.append, 0.01
    )
    keeper.open()
    try:
        light.absent = 3
        assert back.wait(20)
        assert len(failed) == 1 and isinstance(failed[0], LightGoneError)
        assert keeper.dark_confirmed
    finally:
        assert keeper.close()


def test_a_light_that_is_gone_stays_gone_in_words_whatever_is_asked_of_it():
    light, failed, asked = Replugged(absent=0), [], threading.Event()
    keeper = LightKeeper(
        light, DEFAULT_CHANNELS, LightTimeline(DEFAULT_CHANNELS), SystemClock(), lambda seen: None, failed.append, 0.01
    )
    keeper.open()
    try:
        light.absent = 100_000
        for switch in (lambda: keeper.switch("405", 0.5), keeper.off, keeper.read):
            asked.wait(0.05)
            with pytest.raises(LightGoneError, match="check its cable"):
                switch().result(10)
        assert len(failed) == 1
    finally:
        light.absent = 0
        keeper.close()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("asks", ["live", "snap", "connect"])
def test_a_light_that_was_pulled_while_idle_is_told_once_more_and_once_only(asks, tmp_path):
    with serve_pty(LedBox()) as server:
        made = Bench(Settings(camera=SMALL, light_id=server.path))
        made.session.connect().result(20)
        server.pull_cable()
        made.watch.wait(lambda: any("is gone" in notice.text for notice in made.watch.of(Notice)))
        ask = {
            "live": made.session.start_live,
            "snap": lambda: made.session.snap(False, tmp_path),
            "connect": made.session.connect,
        }[asks]
        with pytest.raises(LightGoneError, match="check its cable and power"):
            ask().result(20)
        made.watch.wait(lambda: State.FAILED in made.states)
        reason = next(event.reason for event in made.watch.of(StateChanged) if event.state is State.FAILED)
        assert "is gone" in reason and "connect again" in reason
        made.session.close()
        told = [notice.text for notice in made.watch.of(Notice)]
        assert told.count(reason) == 1  # when it was pulled; now it is the reason of the failure, and no second notice
        assert not any("open it" in text for text in told)


class GoesDark(Replugged):
    """A light that obeys, and can go dark by itself."""

    levels = (0.0,) * 4

    def set(self, line, level=0.0):
        self.levels = tuple(level if each == line else 0.0 for each in range(4))
        return self.read()

    def read(self):
        return LightReading(self.levels, time.monotonic(), time.monotonic())


def test_a_light_that_went_dark_before_another_was_asked_for_confirms_nothing():
    light, known = GoesDark(absent=0), LightTimeline(DEFAULT_CHANNELS)
    keeper = LightKeeper(light, DEFAULT_CHANNELS, known, SystemClock(), lambda seen: None, lambda error: None, 1000.0)
    keeper.open()
    try:
        keeper.switch("405", 0.5).result(10)
        start_s = time.monotonic()
        end_s = time.monotonic()
        said = known.light_during(start_s, end_s)
        assert said.confirmed
        light.levels = (0.0,) * 4  # its watchdog, an interlock
        keeper.switch("488", 0.5).result(10)
        assert known.doubt(said, start_s, end_s) == "light changed by itself"
    finally:
        assert keeper.close()


def test_a_camera_that_is_slow_to_take_a_setting_has_its_first_frames_marked(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    camera, path = bench.session._bench.camera, bench.session.path
    configure, feed, frames = camera.configure, path.feed, []
    came = threading.Condition()

    def fed(frame):
        with came:
            frames.append(frame)
            came.notify_all()
        feed(frame)

    def slow(settings):
        with came:
            asked = len(frames)
            assert came.wait_for(lambda: len(frames) > asked + 4, 20)
        return configure(settings)

    path.feed, camera.configure = fed, slow
    try:
        bench.session.set_camera(SMALL.model_copy(update={"gain_db": 6.0})).result(30)
    finally:
        camera.configure = configure
    with came:
        assert came.wait_for(lambda: frames[-1].gain_db == 6.0 and frames[-1].light.confirmed, 20)
        new = [frame.light.confirmed for frame in frames if frame.gain_db == 6.0]
    assert not any(new[:2])


def test_after_a_model_that_does_not_load_another_counts(bench, monkeypatch):
    make = bench.session._parts.counter

    def broken(name):
        if name == "fast":
            raise ModelError("The model fast is damaged; install it again.")
        return make("fast")

    object.__setattr__(bench.session._parts, "counter", broken)
    with pytest.raises(DapiscopeError):
        bench.session.start_live().result(20)
    bench.session.set_model("other").result(20)
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)


def test_a_plan_that_waits_for_its_model_does_not_keep_dapiscope_from_closing(bench, tmp_path):
    gate = threading.Event()
    slow_model(bench, gate)
    plan = make_plan({"channels": [{"config": "405", "exposure": 10}]}, Settings(camera=SMALL))
    planned = bench.session.run_plan(plan, tmp_path)
    bench.watch.wait(lambda: State.PLAN in bench.states)
    closing = threading.Thread(target=bench.session.close)
    closing.start()
    try:
        with pytest.raises(DapiscopeError):
            planned.result(20)
    finally:
        gate.set()
        closing.join()
    assert lit_channels(bench) == []


def test_a_watch_for_frames_that_breaks_ends_dark(bench, monkeypatch):
    def broken(now_s):
        raise RuntimeError("a mistake")

    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    monkeypatch.setattr(bench.session._light.shutter, "overdue", broken)
    bench.watch.wait(lambda: State.FAILED in bench.states)
    bench.watch.wait(lambda: not any(bench.lit()))


@pytest.mark.parametrize("fails", ["before", "after"])
def test_a_light_that_does_not_go_off_for_a_snapshot_is_not_switched_on_again(bench, tmp_path, fails):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    light = bench.session._bench._keeper._light
    off, asked = light.off, []

    def refuse():
        asked.append(1)
        if len(asked) == (1 if fails == "before" else 2):
            bench.watch.take("refused")
            raise LightError("The light source does not answer; check its cable and power.")
        return off()

    light.off = refuse
    with pytest.raises(LightError, match="does not answer"):
        bench.session.snap(False, tmp_path).result(30)
    bench.watch.wait(lambda: State.FAILED in bench.states)
    bench.watch.wait(lambda: not any(bench.lit()))
    after = bench.watch.events[bench.watch.events.index("refused") :]
    assert [event.channel for event in after if isinstance(event, LightSeen) and event.channel] == []
    assert State.LIVE not in [event.state for event in after if isinstance(event, StateChanged)]


def test_a_short_watchdog_does_not_go_off_between_two_readings():
    made = Bench(Settings(camera=SMALL, light=LightSettings(watchdog_ms=390)))
    made.session.start_live().result(20)
    time.sleep(1.5)
    assert made.session.state is State.LIVE and any(made.lit())
    assert made.session.close()
