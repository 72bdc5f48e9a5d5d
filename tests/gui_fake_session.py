"""A session without devices, for the window's tests: notes what it is asked, and says what the test wants said."""

from concurrent.futures import Future

import numpy as np

from app.display import Contrast, View, render
from app.events import (
    CameraReady,
    LightReady,
    LightSeen,
    ModelReady,
    PictureReady,
    ResultReady,
    State,
    StateChanged,
    Stats,
)
from app.frame import NUCLEUS_DTYPE, Frame, Light, Segmentation, read_only
from app.hardware.base import CameraInfo, CameraLimits, LightInfo, LightReading
from app.settings import Settings

LIMITS = CameraLimits(
    (0.05, 5000.0), (0.0, 24.0), (1.0, 44.9), (16, 640), (16, 480), (2, 2), ("Mono8", "Mono12"), (1, 2)
)


def make_frame(index=0, *, light=None, bits=8, pixel_size_um=0.1, fill=20, source="fake", name=""):
    """Return a 480×640 frame with two bright squares on a dim ground."""
    white = (1 << bits) - 1
    pixels = np.full((480, 640), fill, np.uint8 if bits == 8 else np.uint16)
    pixels[100:160, 100:160] = white * 3 // 4
    pixels[300:380, 400:480] = white // 2
    return Frame(
        pixels=read_only(pixels),
        index=index,
        exposure_end_s=10.0 + index * 0.05,
        unix_time_s=1.7e9 + index * 0.05,
        exposure_ms=15.0,
        gain_db=0.0,
        pixel_format="Mono8" if bits == 8 else "Mono12",
        pixel_size_um=pixel_size_um,
        light=light if light is not None else Light("405", 0.25, True, ""),
        source=source,
        name=name,
    )


def make_result(frame, *, flags=(), interval=None, zoom=2.0):
    """Return the two squares of `make_frame` as nuclei, at half the frame's scale."""
    labels = np.zeros((240, 320), np.int32)
    labels[50:80, 50:80] = 1
    labels[150:190, 200:240] = 2
    nuclei = np.zeros(2, NUCLEUS_DTYPE)
    nuclei["label"] = (1, 2)
    nuclei["y_px"], nuclei["x_px"] = (130, 340), (130, 440)
    nuclei["area_px"] = (3600, 6400)
    size = frame.pixel_size_um
    nuclei["area_um2"] = nuclei["area_px"] * size**2 if size else np.nan
    nuclei["mean_intensity"], nuclei["eccentricity"], nuclei["score"] = (191, 127), (0.1, 0.2), (0.97, 0.55)
    nuclei["counted"] = True
    return Segmentation(frame, labels, (zoom, zoom), nuclei, 651.0 if size else None, size, "metadata", flags, interval)


class FakeSession:
    """Has every member of `app.gui.session_port.SessionPort`."""

    def __init__(self, settings=None):
        self.settings = settings or Settings()
        self.state = State.IDLE
        self.untouched = True
        self.channels = self.settings.channels
        self.selected_channel = "405"
        self.last_frame = None
        self.last_result = None
        self.calls = []
        self.listeners = []
        self.failed_with = None
        self.dark = True
        self.view, self.contrast = View(), Contrast()

    def subscribe(self, listener):
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def publish(self, *events):
        for event in events:
            if isinstance(event, StateChanged):
                self.state = event.state
            for listener in tuple(self.listeners):
                listener(event)

    def stats(self):
        return Stats()

    def asked(self, name):
        """Return the arguments of every call of one command."""
        return [args for called, args in self.calls if called == name]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def command(*args):
            self.calls.append((name, args))
            done = Future()
            done.set_result(None)
            return done

        return command

    def set_view(self, view):
        self.calls.append(("set_view", (view,)))
        self.view = view

    def set_contrast(self, contrast):
        self.calls.append(("set_contrast", (contrast,)))
        self.contrast = contrast

    def fail(self, error):
        self.failed_with = error
        self.calls.append(("all_off_by_failure", ()))
        self.publish(LightSeen(None, 0.0, True), StateChanged(State.FAILED, f"It failed: {error}"))

    def close(self):
        self.calls.append(("close", ()))
        self.state = State.CLOSED
        return self.dark

    # --- what a test says in the session's name

    def ready(self, *, simulated=True, camera_id="sim"):
        """Devices are open."""
        self.publish(
            LightReady(LightInfo("sim", "LED4", "1", "1.0", 4, ("A", "B", "C", "D"), True, simulated)),
            CameraReady(
                CameraInfo(camera_id, "dapiscope", "simulated camera", "1", simulated, 2.0),
                LIMITS,
                self.settings.camera,
                22.2,
            ),
            ModelReady("fast", "ab" * 32, "CPUExecutionProvider"),
        )

    def go_live(self):
        """Live has begun."""
        self.publish(StateChanged(State.STARTING), StateChanged(State.LIVE))

    def show(self, frame):
        """A frame came; return it."""
        self.last_frame = frame
        self.publish(PictureReady(render(frame, self.view, self.contrast)))
        return frame

    def count(self, result, latency_ms=80.0):
        """A frame was counted."""
        self.publish(ResultReady(result, latency_ms))

    def shine(self, channel, level=0.25, known=True, faults=()):
        """The box was read."""
        levels = tuple(level if c.name == channel else 0.0 for c in self.channels)
        self.publish(LightSeen(channel, level if channel else 0.0, known, LightReading(levels, 1.0, 1.001, faults)))
