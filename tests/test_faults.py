"""Faults, each caused here: what the operator reads, what is kept, and how soon the light is off.

Every test writes its row of the table in docs/safety.md (``python docs/make_fault_table.py``).
"""

import errno
import os
import shutil
import threading
import time

import pytest
from fault_rig import CAMERA, FIELD, Probe, StubCounter, note, plain, rig

from app.clock import SystemClock
from app.errors import BadImageError, CameraError, DapiscopeError, ModelError, RecordingError, RefusedError
from app.events import LightSeen, Notice, ResultReady, State
from app.hardware.basler import BaslerCamera
from app.hardware.led_box import LedBox
from app.hardware.lumencor import LumencorLight
from app.hardware.serial_port import SerialPort
from app.hardware.serial_simulator import serve_pty
from app.hardware.simulated import SimulatedCamera
from app.inference.model_card import load_model
from app.recording import find_unfinished, open_replay, recover
from app.recording.store import FrameStore
from app.settings import CameraSettings, SegmentationSettings, Settings

# ---------------------------------------------------------------------- the camera


def camera_fault(tmp_path, name, cause, *, ends=True, expect=""):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: cause(made.camera))
        dark_s = made.dark_after()
        made.confirmed_dark()
        sees = made.sentence()
        if ends:
            made.wait(lambda: made.session.state is State.FAILED)
            made.told_once()
        else:
            made.session.stop_live().result(20)
        assert expect in sees
        note(name, sees, made.kept(), dark_s)


def test_camera_unplugged(tmp_path):
    camera_fault(tmp_path, "camera unplugged", lambda camera: camera.faults.unplug(), expect="unplugged")


def test_camera_falls_silent(tmp_path):
    camera_fault(tmp_path, "camera falls silent", lambda camera: camera.faults.stall(), expect="No frames come")


def test_every_buffer_fails(tmp_path):
    camera_fault(
        tmp_path,
        "every buffer of the camera fails",
        lambda camera: camera.faults.fail_next(10**6),
        ends=False,
        expect="No frames come",
    )


def test_camera_crawls(tmp_path):
    camera_fault(
        tmp_path,
        "camera slows to a frame in 1.2 s",
        lambda camera: camera.faults.slow(1.2),
        ends=False,
        expect="No frames come",
    )


def test_a_few_failed_buffers_are_counted_and_light_comes_back_after_a_pause(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: made.camera.faults.fail_next(3))
        made.wait(lambda: made.camera.stats().failed == 3)
        assert made.session.state is State.LIVE
        made.camera.faults.fail_next(10**6)
        made.wait(lambda: not made.lit())
        made.camera.faults.__init__()
        made.wait(made.lit)
        again_s = time.monotonic()
        made.wait(lambda: made.of(ResultReady, again_s))
        made.wait(lambda: made.session.stats().lost_camera > 3)
        dark_s = made.all_off()
        note(
            "3 buffers of the camera fail",
            "The status line counts 3 frames lost; live imaging goes on.",
            made_kept(made),
            dark_s,
            how="all off afterwards",
        )


def made_kept(made):
    made.session.stop_live().result(20)
    return made.kept()


def test_camera_breaks_in_the_middle_of_a_frame(tmp_path, monkeypatch):
    with rig(tmp_path) as made:
        made.run_lit()

        def broken(*_args):
            raise CameraError("The camera sent half a frame; check its cable and start again.")

        made.strike(lambda: monkeypatch.setattr(made.camera, "_expose", broken))
        dark_s = made.dark_after()
        sees = made.failed()
        made.confirmed_dark()
        note("camera's driver fails inside a frame", sees, made.kept(), dark_s)


def test_camera_cannot_be_stopped(tmp_path, monkeypatch):
    with rig(tmp_path) as made:
        made.run_lit()
        real = made.camera.stop

        def stuck():
            real()
            raise CameraError("The camera does not stop; unplug it and plug it in again.")

        monkeypatch.setattr(made.camera, "stop", stuck)
        with pytest.raises(CameraError):
            made.strike(lambda: made.session.stop_live().result(20))
        dark_s = made.dark_after()
        sees = made.failed()
        note("camera refuses to stop", sees, made.kept(), dark_s)


def test_camera_is_absent(tmp_path):
    camera = SimulatedCamera(FIELD)
    camera.faults.unplug()
    with rig(tmp_path, camera=camera) as made:
        sees = made.refused(lambda: made.session.start_live(record_to=tmp_path).result(20))
        assert not made.box.changes_between(0, time.monotonic())
        note("no camera at the start", sees, made.kept(), None, "never lit")


def test_camera_unplugged_during_a_snapshot(tmp_path):
    with rig(tmp_path, settings=Settings(camera=CAMERA.model_copy(update={"exposure_ms": 1500.0}))) as made:
        taken = made.session.snap(True, tmp_path)
        made.wait(made.lit)
        made.strike(made.camera.faults.unplug)
        dark_s = made.dark_after()
        with pytest.raises(DapiscopeError) as error:
            taken.result(20)
        assert not list(tmp_path.iterdir())
        note("camera unplugged during a snapshot", plain(str(error.value)), "no half snapshot is left", dark_s)


def test_camera_falls_silent_during_a_snapshot(tmp_path):
    with rig(tmp_path) as made:
        made.session.connect().result(20)
        made.camera.faults.stall()
        taken = made.session.snap(True, tmp_path)
        made.wait(lambda: made.box.changes_between(0, time.monotonic()))
        made.struck_s = made.box.changes_between(0, time.monotonic())[0][0]
        dark_s = made.dark_after()
        with pytest.raises(DapiscopeError) as error:
            taken.result(20)
        assert not list(tmp_path.iterdir()) and not made.lit()
        sees = plain(str(error.value))
        note("camera does not answer a snapshot's trigger", sees, "no half snapshot is left", dark_s)


@pytest.fixture
def emulator(monkeypatch):
    monkeypatch.setenv("PYLON_CAMEMU", "1")


def emulated(tmp_path):
    settings = Settings(
        camera_id="pylon",
        camera=CameraSettings(fps=25, exposure_ms=10, roi=(0, 0, 480, 320)),
        segmentation=SegmentationSettings(pixel_size_um=0.4),
    )
    return rig(tmp_path, camera=BaslerCamera("pylon"), settings=settings)


@pytest.mark.parametrize(
    ("name", "node", "value"),
    [
        ("pylon: camera removed (FirePnPCallback)", "FirePnPCallback", None),
        ("pylon: driver error (ImposedError)", "ImposedError", "the bus went away"),
        ("pylon: every buffer fails (ForceFailedBuffer)", "ForceFailedBuffer", None),
    ],
)
def test_faults_of_pylons_emulator(tmp_path, emulator, name, node, value):
    with emulated(tmp_path) as made:
        made.run_lit()
        camera = made.camera._camera
        over = threading.Event()

        def cause():
            if value is not None:
                camera.StreamGrabber.ImposedError.FromString(value)
            elif node == "FirePnPCallback":
                camera.FirePnPCallback.Execute()
            else:
                threading.Thread(target=keep_failing, name="fail", daemon=True).start()

        def keep_failing():
            while not over.wait(0.01):
                camera.ForceFailedBuffer.Execute()

        made.strike(cause)
        try:
            dark_s = made.dark_after()
        finally:
            over.set()
        sees = made.sentence()
        if node == "ForceFailedBuffer":
            assert made.camera.stats().failed > 0
            made.session.stop_live().result(20)
        else:
            made.failed()
        made.confirmed_dark()
        note(name, sees, made.kept(), dark_s)


# ---------------------------------------------------------------------- the LED box


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("silent", "box obeys and never answers"),
        ("deaf", "box hears nothing any more"),
        ("garbage", "box answers noise for ever"),
        ("partial", "box answers half lines for ever"),
        ("error", "box refuses every command"),
        ("hang_up", "cable to the box pulled, port dead"),
    ],
)
def test_box_breaks_for_good(tmp_path, fault, name):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: setattr(made.box.faults, fault, -1))
        dark_s = made.dark_after()
        sees = made.failed()
        assert "light" in sees.lower()
        made.wait(lambda: not made.of(LightSeen)[-1].known)
        if fault != "hang_up":
            made.wait(lambda: "MAY STILL BE ON" in made.notices("error")[-1].text)
            sees = plain(made.notices("error")[-1].text)
        made.told_once()
        keeps = made.kept()
        setattr(made.box.faults, fault, 0)
        made.confirmed_dark()  # it kept trying, and is told as soon as the box speaks again
        note(name, sees, keeps, dark_s, "watchdog")


@pytest.mark.parametrize("fault", ["silent", "garbage", "partial"])
def test_one_damaged_answer_is_asked_for_again(tmp_path, fault):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: setattr(made.box.faults, fault, 1))
        made.wait(lambda: getattr(made.box.faults, fault) == 0)
        moment_s = time.monotonic()
        made.wait(lambda: made.of(ResultReady, moment_s))
        assert made.session.state is State.LIVE and not made.notices()
        dark_s = made.all_off()
        what = {"silent": "lost", "garbage": "noise", "partial": "cut short"}[fault]
        note(f"one answer of the box is {what}", "Nothing: it is asked again.", made_kept(made), dark_s)


def test_box_answers_late(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: setattr(made.box.faults, "delay_s", 0.15))
        dark_s = made.all_off()
        note("box answers 150 ms late", "Nothing: the light is told as it is read back.", made_kept(made), dark_s)


def test_light_stuck_on(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: setattr(made.box, "stuck_on", True))
        made.session.all_off()
        sees = made.failed()
        assert "MAY STILL BE ON" in sees
        assert made.lit()
        keeps = made.kept()
        made.box.power_cycle()
        made.confirmed_dark()  # it never ceased to try
        note("LED driver of the box burnt through: cannot be switched off", sees, keeps, float("inf"), "impossible")


def test_interlock_opened(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(made.box.open_interlock)
        dark_s = made.dark_after()
        sees = made.failed()
        note("interlock of the box opened", sees, made.kept(), dark_s)


def test_no_frame_is_saved_with_a_light_that_went_out_by_itself(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()
        path, readings = made.recorder.path, len(made.of(LightSeen))
        made.wait(lambda: len(made.of(LightSeen)) > readings)  # the next reading is as far away as it can be
        made.strike(made.box.open_interlock)
        made.failed()
        made.kept()
        with open_replay(path) as replay:
            frames = list(replay.frames())
        lit = [frame for frame in frames if frame.light.confirmed and frame.light.channel == "405"]
        assert lit and any(frame.exposure_end_s > made.struck_s for frame in frames)
        assert all(frame.exposure_end_s <= made.struck_s for frame in lit)


def test_interlock_open_at_the_start(tmp_path):
    with rig(tmp_path) as made:
        made.box.open_interlock()
        sees = made.refused(lambda: made.session.start_live(record_to=tmp_path).result(20))
        assert not made.box.changes_between(0, time.monotonic())
        note("interlock open at the start", sees, made.kept(), None, "never lit")


def test_box_loses_power(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(made.box.power_cycle)
        dark_s = made.dark_after()
        sees = made.failed()
        made.confirmed_dark()
        note("box loses its power and comes back", sees, made.kept(), dark_s)


def test_leds_dead(tmp_path):
    box = LedBox()
    box.dead_leds = True
    with rig(tmp_path, box=box) as made:
        sees = made.refused(lambda: made.session.start_live(record_to=tmp_path).result(20))
        assert not made.box.changes_between(0, time.monotonic())
        note("LEDs do not light up", sees, made.kept(), None, "never lit")


def test_somebody_switches_another_light_on_at_the_box(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()

        def by_hand():
            made.box.counts[2], made.box.on[2] = 500, True
            made.box.note("by hand")

        made.strike(by_hand)
        sees = made.failed()
        dark_s = made.dark_after()
        made.confirmed_dark()
        note("another light switched on by hand at the box", sees, made.kept(), dark_s, "watchdog")


def test_no_box_at_the_port(tmp_path):
    with rig(tmp_path, light=lambda: LumencorLight(SerialPort("/dev/nowhere"))) as made:
        sees = made.refused(lambda: made.session.start_live(record_to=tmp_path).result(20))
        note("no light source at its port", sees, made.kept(), None, "never lit")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_second_copy_at_the_same_port(tmp_path):
    box = LedBox()
    with serve_pty(box) as server:

        def light():
            return LumencorLight(SerialPort(server.path))

        with (
            rig(tmp_path / "one", box=box, light=light) as first,
            rig(tmp_path / "two", box=box, light=light) as second,
        ):
            first.run_lit()
            first.strike(lambda: None)
            sees = second.refused(lambda: second.session.start_live().result(20))
            assert "in use" in sees
            assert first.session.state is State.LIVE and first.lit()
            dark_s = first.all_off()
            note(
                "second copy of the program at the same port",
                sees,
                made_kept(first),
                dark_s,
                how="all off in the first",
            )


def test_all_off_overtakes_a_switch_that_waits(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit(record=False)
        made.box.faults.delay_s = 0.05
        asked = [made.session.set_channel(name) for name in ("488", "532", "633")]
        dark_s = made.all_off()
        for each in asked:
            try:
                each.result(10)
            except DapiscopeError as error:
                plain(str(error))
        time.sleep(0.3)
        made.wait(lambda: not made.lit())
        moment_s = time.monotonic()
        time.sleep(0.5)
        assert not made.lit() and not made.box.changes_between(moment_s, time.monotonic())
        assert made.session.state is State.LIVE
        made.confirmed_dark()
        note("all off pressed while switches wait", "The light panel says dark.", "nothing was recorded", dark_s)


# ---------------------------------------------------------------------- the program itself


def test_exception_in_a_listener(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()

        def broken(event):
            if isinstance(event, LightSeen):
                raise ValueError("a panel broke")

        made.strike(lambda: made.session.subscribe(broken))
        made.struck_s = first(made, lambda: made.session.state is State.FAILED)
        dark_s = made.dark_after()
        sees = made.failed()
        made.confirmed_dark()
        note("exception in a part that listens (a panel)", sees, made.kept(), dark_s)


def first(made, condition):
    """Wait for `condition`; return the moment from which the fault counts: the listener is first called now."""

    def told():
        return [moment for moment, event in made.events if isinstance(event, Notice) and event.level == "error"]

    made.wait(lambda: condition() and told())
    return min(told())


@pytest.mark.parametrize("problem", [RuntimeError("a tensor broke"), MemoryError("no memory")])
def test_exception_in_the_segmenter(tmp_path, problem):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: setattr(made.counter, "problem", problem))
        dark_s = made.dark_after()
        sees = made.failed()
        made.confirmed_dark()
        note(f"{type(problem).__name__} in the segmenter", sees, made.kept(), dark_s)


def test_exception_in_the_display_stage(tmp_path, monkeypatch):
    with rig(tmp_path) as made:
        made.run_lit()

        def broken(*_args):
            raise ZeroDivisionError("division by zero")

        made.strike(lambda: monkeypatch.setattr("app.live_path.render", broken))
        dark_s = made.dark_after()
        sees = made.failed()
        note("exception in the display stage", sees, made.kept(), dark_s)


def test_exception_on_the_cameras_thread(tmp_path, monkeypatch):
    with rig(tmp_path) as made:
        made.run_lit()

        def broken(_frame):
            raise KeyError("line 7")

        made.strike(lambda: monkeypatch.setattr(made.session._bench.labeller, "label", broken))
        dark_s = made.dark_after()
        sees = made.failed()
        note("exception on the camera's thread", sees, made.kept(), dark_s)


def test_exception_on_the_lights_thread(tmp_path, monkeypatch):
    with rig(tmp_path) as made:
        made.run_lit()
        light = made.session._bench._keeper._light

        def broken():
            raise RuntimeError("a driver broke")

        made.strike(lambda: monkeypatch.setattr(light, "read", broken))
        dark_s = made.dark_after()
        sees = made.failed()
        note("exception in the light's driver", sees, made.kept(), dark_s, "watchdog")


def test_segmenter_hangs(tmp_path):
    hang = threading.Event()

    class Slow(StubCounter):
        def segment(self, *args, **more):
            if self.problem is not None:
                hang.wait(8)
            return (
                super().segment(*args, **(more | {})) if self.problem is None else StubCounter().segment(*args, **more)
            )

    with rig(tmp_path, counter=Slow()) as made:
        made.run_lit()
        made.strike(lambda: setattr(made.counter, "problem", True))
        time.sleep(0.3)
        made.struck_s = time.monotonic()
        stopped = made.session.stop_live()
        dark_s = made.dark_after()
        hang.set()
        stopped.result(30)
        note(
            "counting hangs",
            "The count stands still; stop and all off work as ever.",
            made.kept(),
            dark_s,
            how="stop pressed",
        )


def test_model_altered(tmp_path):
    shutil.copytree("models", tmp_path / "models", ignore=shutil.ignore_patterns("training", "*.py"))
    onnx = tmp_path / "models" / "fast.onnx"
    onnx.write_bytes(onnx.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError) as error:
        load_model("fast", tmp_path / "models")
    with rig(tmp_path / "run", counter=error.value) as made:
        made.session.start_live(record_to=made.folder)
        sees = made.failed()
        assert "SHA-256" in sees
        assert not made.box.changes_between(0, time.monotonic())
        note("model file altered or damaged", sees, made.kept(), None, "never lit")


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("intensity out of range", lambda session: session.set_intensity(1.5)),
        ("channel that does not exist", lambda session: session.set_channel("666")),
        ("exposure out of range", lambda session: session.set_camera(CAMERA.model_copy(update={"exposure_ms": 1e9}))),
        ("gain out of range", lambda session: session.set_camera(CAMERA.model_copy(update={"gain_db": -3.0}))),
    ],
)
def test_values_out_of_range_change_nothing(tmp_path, name, ask):
    with rig(tmp_path) as made:
        made.run_lit()
        before = made.session.settings
        sees = made.refused(lambda: ask(made.session).result(10))
        assert made.session.state is State.LIVE and made.session.settings == before and made.lit()
        dark_s = made.all_off()
        note(name, sees, made_kept(made), dark_s, how="all off afterwards")


class JumpingClock(SystemClock):
    """The wall clock can be set; the monotonic one goes on, as the system's does."""

    def __init__(self):
        self.offset_s = 0.0

    def unix(self):
        return super().unix() + self.offset_s


@pytest.mark.parametrize("hours", [-5, 30])
def test_the_wall_clock_is_set(tmp_path, hours):
    clock = JumpingClock()
    camera = SimulatedCamera(FIELD, clock=clock)
    with rig(tmp_path, clock=clock, camera=camera) as made:
        camera.light = Probe(made.box)
        made.run_lit()
        made.strike(lambda: setattr(clock, "offset_s", 3600.0 * hours))
        moment_s = time.monotonic()
        made.wait(lambda: len(made.of(ResultReady, moment_s)) > 3)
        assert not made.notices()
        dark_s = made.all_off()
        name = f"the computer's clock is set {'back' if hours < 0 else 'forward'} by {abs(hours)} h"
        note(name, "Nothing: moments of frames and light are on a clock that cannot be set.", made_kept(made), dark_s)


# ---------------------------------------------------------------------- the files


def break_disk(monkeypatch, number):
    def refuse(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FrameStore, "append", refuse)


@pytest.mark.parametrize(
    ("name", "number"),
    [("disk full", errno.ENOSPC), ("disk fails (I/O error)", errno.EIO), ("network folder gone", errno.ESTALE)],
)
def test_the_disk_refuses(tmp_path, monkeypatch, name, number):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: break_disk(monkeypatch, number))
        dark_s = made.dark_after()
        sees = made.failed()
        made.confirmed_dark()
        note(name, sees, made.kept(), dark_s)


def test_disk_nearly_full(tmp_path, monkeypatch):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: monkeypatch.setattr("app.recording.writer.KEEP_FREE_BYTES", 1 << 62))
        dark_s = made.dark_after()
        sees = made.failed()
        note("disk down to its last 64 MiB", sees, made.kept(), dark_s)


def test_folder_removed(tmp_path):
    folder = tmp_path / "run"
    with rig(folder) as made:
        made.run_lit()
        made.strike(lambda: shutil.rmtree(folder))
        dark_s = made.dark_after()
        sees = made.failed()
        assert "deleted" in sees or "not there" in sees
        note("folder of the recording removed", sees, "what the remover left: nothing", dark_s)


def test_disk_too_slow(tmp_path, monkeypatch):
    monkeypatch.setattr("app.desks.RECORDER_QUEUE_BYTES", 2 << 20)
    monkeypatch.setattr("app.desks.check_rate", lambda *_: None)
    with rig(tmp_path) as made:
        made.run_lit()
        real = FrameStore.append

        def slow(store, pixels):
            time.sleep(0.3)
            return real(store, pixels)

        made.strike(lambda: monkeypatch.setattr(FrameStore, "append", slow))
        sees = made.failed()
        assert "could not keep up" in sees
        full_s = next(moment for moment, event in made.events if isinstance(event, Notice) and event.level == "error")
        started_s, made.struck_s = made.struck_s, full_s
        dark_s = made.dark_after() if made.lit() else max(0.0, last_change(made, started_s) - full_s)
        note("disk slower than the camera: queue full", sees, made.kept(), dark_s, how="from the full queue on")


def last_change(made, since_s):
    return made.box.changes_between(since_s, time.monotonic())[-1][0]


def test_disk_too_slow_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr("app.recording.files.disk_speed", lambda *_args, **_more: 1e6)
    monkeypatch.setattr("app.desks.RECORDER_QUEUE_BYTES", 0)
    with rig(tmp_path) as made:
        with pytest.raises(RefusedError) as error:
            made.strike(lambda: made.session.start_live(record_to=tmp_path).result(20))
        assert not made.box.changes_between(0, time.monotonic())
        note("disk too slow for the recording asked for", plain(str(error.value)), made.kept(), None, "never lit")


def test_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with rig(tmp_path / "file" / "run") as made:
        sees = made.refused(lambda: made.session.start_live(record_to=made.folder, record_frames=3).result(20))
        assert not made.box.changes_between(0, time.monotonic())
        note("folder cannot be made", sees, made.kept(), None, "never lit")


def test_a_fault_of_the_writer(tmp_path, monkeypatch):
    with rig(tmp_path) as made:
        made.run_lit()

        def broken(*_args):
            raise TypeError("no such frame")

        made.strike(lambda: monkeypatch.setattr("app.recording.writer.PlaneRecord.of", broken))
        dark_s = made.dark_after()
        sees = made.failed()
        note("exception in the writer", sees, made.kept(), dark_s)


def test_a_snapshot_that_cannot_be_saved(tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(FrameStore, "append", refuse)
    with rig(tmp_path) as made:
        with pytest.raises(RecordingError) as error:
            made.strike(lambda: made.session.snap(True, tmp_path).result(20))
        changes = made.box.changes_between(made.struck_s, time.monotonic())
        assert not list(tmp_path.iterdir()) and not made.lit()
        lit_s = changes[-1][0] - changes[0][0]
        note(
            "disk full while a snapshot is saved",
            plain(str(error.value)),
            "no half snapshot is left",
            lit_s,
            how="lit for the exposure only",
        )


def test_second_copy_in_the_same_folder(tmp_path):
    with rig(tmp_path) as one, rig(tmp_path) as other:
        one.run_lit()
        other.run_lit()
        assert one.recorder.path != other.recorder.path
        one.strike(lambda: None)
        with pytest.raises(BadImageError, match="still being written"):
            recover(other.recorder.path)
        dark_s = other.all_off()
        other.session.stop_live().result(20)
        keeps = made_kept(one)
        other.kept()
        note(
            "second copy of the program records to the same folder",
            "Nothing: each writes a file of its own, and neither touches the other's.",
            keeps,
            dark_s,
            how="all off in the second",
        )


def test_an_unfinished_file_is_refused_with_its_remedy_and_recovered(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit()
        made.strike(lambda: None)
        recorder = made.recorder
        copied = tmp_path / "copy" / recorder.path.name
        copied.parent.mkdir()
        for path in tmp_path.glob(recorder.path.name + "*"):
            shutil.copy(path, copied.parent)
        made.session.stop_live().result(20)
        sees = made.refused(lambda: made.session.open_replay(copied).result(20))
        assert "dapiscope recover" in sees
        made.acknowledged = find_unfinished(copied.parent)[0].frames
        note("recording left unfinished by a crash, opened", sees, made.readable(copied), None, "never lit")


@pytest.mark.parametrize("part", [0.3, 0.97])
def test_a_file_cut_short_is_refused(tmp_path, part):
    with rig(tmp_path) as made:
        made.run_lit()
        made.session.stop_live().result(20)
        path = next(tmp_path.glob("*.ome.tif"))
        cut = tmp_path / "cut.ome.tif"
        cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
        sees = made.refused(lambda: made.session.open_replay(cut).result(20))
        name = f"recording cut to {part:.0%} of its size, opened"
        note(name, sees, "refused, never silently short", None, "never lit")
