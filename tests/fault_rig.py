"""A small microscope whose every part can be broken, and the table of what came of it.

The LED box is simulated down to its bytes and keeps the true history of its light, so the time to darkness is
measured where it matters and not where the program believes it.
"""

import json
import os
import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from app.errors import DapiscopeError
from app.events import LightSeen, Notice, RecordingChanged, ResultReady, State, StateChanged
from app.frame import NUCLEUS_DTYPE, Segmentation
from app.hardware.led_box import LedBox
from app.hardware.lumencor import LumencorLight
from app.hardware.scene import SceneSpec
from app.hardware.serial_simulator import port_to
from app.hardware.simulated import SimulatedCamera
from app.recording import find_unfinished, open_replay, recover
from app.session import Parts, Session
from app.settings import CameraSettings, LightSettings, SegmentationSettings, Settings

FAST_S = 0.5
WATCHDOG_S = 2.0
SLACK = float(os.environ.get("DAPISCOPE_TEST_SLACK", "6"))
"""Tests on a busy machine may take so many times the limit; the table tells what was measured, and its limit."""

FIELD = SceneSpec(width=480, height=320, pixel_size_um=0.4, nuclei=12)
CAMERA = CameraSettings(fps=25, exposure_ms=10)
FORBIDDEN = ("Traceback", "\n")


class StubCounter:
    """Finds nothing, at once."""

    name, sha256, provider_used = "stub", "0" * 64, "CPU"

    def __init__(self):
        self.problem = None

    def segment(self, frame, pixel_size_um=None, *, tracker=None, exact=False):
        if self.problem is not None:
            raise self.problem
        labels = np.zeros((frame.shape[0] // 4, frame.shape[1] // 4), np.int32)
        return Segmentation(frame, labels, (4.0, 4.0), np.zeros(0, NUCLEUS_DTYPE), None, None, "metadata")


class Probe:
    """What the simulated camera sees: the true light of the box."""

    def __init__(self, box):
        self.box = box

    def levels_between(self, start_s, end_s):
        changes = [change for change in self.box.changes_between(start_s, end_s) if change[0] < end_s]
        return [(start_s, self.box.levels_at(start_s)), *changes]


class Rig:
    """A session over parts that can be broken, and what it said."""

    def __init__(self, folder, *, box=None, light=None, camera=None, counter=None, settings=None, clock=None):
        self.folder = Path(folder)
        self.box = box if box is not None else LedBox()
        self.counter = counter or StubCounter()
        self.camera = camera or SimulatedCamera(FIELD, light=Probe(self.box))
        make_light = light or (lambda: LumencorLight(port_to(self.box), light_id="sim"))
        self.settings = settings or Settings(
            camera=CAMERA,
            light=LightSettings(watchdog_ms=int(1000 * WATCHDOG_S)),
            segmentation=SegmentationSettings(pixel_size_um=0.4),
        )
        parts = Parts(lambda: self.camera, make_light, lambda name: self._counter(), lambda: None)
        self.session = Session(self.settings, parts, clock)
        self.events = []
        self.changed = threading.Condition()
        self.session.subscribe(self._take)
        self.struck_s = 0.0
        self.acknowledged = 0

    def _counter(self):
        if isinstance(self.counter, BaseException):
            raise self.counter
        return self.counter

    def _take(self, event):
        with self.changed:
            self.events.append((time.monotonic(), event))
            self.changed.notify_all()

    def of(self, kind, since_s=0.0):
        with self.changed:
            return [event for moment, event in self.events if isinstance(event, kind) and moment >= since_s]

    def wait(self, condition, seconds=25.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, [e for _, e in self.events if isinstance(e, StateChanged | Notice)]
            time.sleep(0.005)

    # ------------------------------------------------------------------ the light, as it really is

    def lit(self):
        return any(self.box.levels_at(time.monotonic()))

    def dark_after(self, seconds=25.0):
        """Seconds from the fault to the last LED's going out, by the box's own history."""
        self.wait(lambda: not self.lit(), seconds)
        changes = self.box.changes_between(self.struck_s, time.monotonic())
        return max(0.0, changes[-1][0] - self.struck_s) if changes else 0.0

    # ------------------------------------------------------------------ a run

    def run_lit(self, frames=4, record=True):
        """Live and recording, lit, with confirmed frames counted."""
        self.session.start_live(record_to=self.folder if record else None, record_frames=5000).result(30)
        self.wait(lambda: len(self.of(ResultReady)) >= frames)
        if record:
            self.wait(lambda: self.recorder.status.acknowledged >= 2)
        assert self.lit()
        return self

    @property
    def recorder(self):
        return self.session._recording._recorder

    def strike(self, cause):
        """Let the fault happen, now; remember what was safe on the disk just before."""
        recorder = self.recorder
        self.acknowledged = recorder.status.acknowledged if recorder is not None else 0
        self.struck_s = time.monotonic()
        return cause()

    def failed(self):
        self.wait(lambda: self.session.state is State.FAILED)
        return self.sentence()

    def sentence(self, level=None):
        """What the operator reads first; one sentence, whatever happened."""
        self.wait(lambda: self.notices(level))
        return plain(self.notices(level)[0].text)

    def notices(self, level=None):
        wanted = ("error", "warning") if level is None else (level,)
        return [notice for notice in self.of(Notice, self.struck_s) if notice.level in wanted]

    def told_once(self):
        """Every sentence of the present failure came once."""
        texts = [notice.text for notice in self.notices("error")]
        assert len(texts) == len(set(texts)), texts
        return len(texts)

    def confirmed_dark(self):
        """The program itself knows that it is dark, and says so."""
        self.wait(lambda: (seen := self.of(LightSeen)) and seen[-1].known and seen[-1].channel is None)

    def refused(self, cause):
        """A command that is refused: one sentence, and nothing changes."""
        try:
            self.strike(cause)
        except DapiscopeError as error:
            return plain(str(error))
        raise AssertionError("it was not refused")

    def all_off(self):
        """The light still obeys: all off, measured from the key press."""
        self.struck_s = time.monotonic()
        self.session.all_off().result(10)
        return self.dark_after()

    def kept(self):
        """Frames readable after everything; at least those acknowledged at the fault."""
        if self.of(RecordingChanged):
            self.wait(lambda: not self.of(RecordingChanged)[-1].active)
        ended = [event for event in self.of(RecordingChanged) if not event.active]
        if not ended or ended[-1].path is None:
            return "nothing was recorded"
        return self.readable(ended[-1].path)

    def readable(self, path):
        for found in find_unfinished(path.parent):
            recover(found.path)
        if not path.exists():
            assert self.acknowledged == 0
            return "nothing was recorded"
        with open_replay(path) as replay:
            frames = sum(1 for frame in replay.frames() if frame.pixels.shape == (320, 480))
            assert frames == replay.length >= self.acknowledged
        return f"all {self.acknowledged} acknowledged frames, {frames} in all"

    def close(self):
        return self.session.close()


@contextmanager
def rig(folder, **parts):
    made = Rig(folder, **parts)
    try:
        yield made
    finally:
        made.box.faults.__init__()
        made.box.power_cycle()
        made.close()


def plain(text):
    """`text`, which must be one sentence for a person."""
    assert text and text[-1] in ".!" and not any(mark in text for mark in FORBIDDEN), text
    return text


# ---------------------------------------------------------------------- the table

KINDS = {
    "500 ms": FAST_S,
    "watchdog": WATCHDOG_S + 0.05,
    "guardian": 3.0,
    "never lit": 0.0,
    "impossible": float("inf"),
}


def anonymous(text):
    """`text` without what is this machine's own."""
    text = re.sub(r"[^\s`]*/pytest-\d+/[^/\s`]+", "FOLDER", text)
    return re.sub(r"this machine has: [^)]*", "this machine has: …", re.sub(r"/dev/pts/\d+", "PORT", text))


def note(fault, sees, keeps, dark_s, limit="500 ms", how=""):
    """Check the time against its limit, generously, and write the row where the table is made.

    `dark_s` is None where no light was on, infinity where it stays on.
    """
    allowed = KINDS[limit]
    if limit == "never lit":
        assert dark_s is None
    elif limit == "impossible":
        assert dark_s == float("inf")
    else:
        assert dark_s <= allowed * SLACK, f"{fault}: dark after {dark_s:.3f} s"
    target = os.environ.get("DAPISCOPE_FAULT_TABLE")
    if target:
        ms = None if dark_s is None or dark_s == float("inf") else round(1000 * dark_s)
        row = {
            "fault": fault,
            "how": how,
            "sees": anonymous(sees),
            "keeps": keeps,
            "dark_ms": ms,
            "limit": limit,
        }
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
