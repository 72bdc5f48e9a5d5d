"""The only place that chooses real, simulated or replayed parts from the settings.

Nothing is chosen silently: ``sim`` must be asked for by name, and a real part that is missing is an error.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2

from app.bench import Bench
from app.clock import Clock, SystemClock
from app.errors import UsageError
from app.events import Event, LightSeen
from app.flat_field import usual_folder
from app.hardware.base import Camera, LightSource
from app.heaps import share_heaps
from app.session import Parts, Session
from app.settings import Settings, camera_kind

if TYPE_CHECKING:
    from app.inference.segmenter import Segmenter

Levels = tuple[float, ...]


def make_session(settings: Settings, clock: Clock | None = None) -> Session:
    """Return a session over the parts that `settings` names; nothing is opened yet."""
    share_the_cores()
    share_heaps()
    clock = clock or SystemClock()
    parts = _parts(settings, clock)
    made = Parts(parts.camera, parts.light, make_counter, make_tracker, usual_folder())
    session = Session(settings, made, clock)
    session.subscribe(parts.light_history.listen)
    return session


def make_bench(settings: Settings, clock: Clock | None = None) -> Bench:
    """Return camera and light alone, for what needs no live path; nothing is opened yet.

    A light that stops answering is told by the next command to it.
    """
    clock = clock or SystemClock()
    parts = _parts(settings, clock)
    return Bench(parts.camera, parts.light, clock, parts.light_history.listen, lambda error: None)


def _parts(settings: Settings, clock: Clock) -> "_Bench":
    if settings.camera_images is not None and not settings.camera_id.startswith("pylon"):
        raise UsageError(
            "A folder of images is played by pylon's emulator; add --camera pylon, or use `dapiscope replay`."
        )
    camera_kind(settings.camera_id)
    return _Bench(settings, clock)


def share_the_cores(cores: int | None = None) -> None:
    """Set every pool of threads of this process on purpose, here and nowhere else.

    Camera, display, counting, window and recording are threads of their own already: more threads inside of one of
    them would only get into the way of the others. The network's threads are measured (`app.inference.providers`);
    numpy's BLAS is not used on the way of a frame.
    """
    cores = cores or os.cpu_count() or 2
    cv2.setNumThreads(max(1, min(cores // 4, 4)))
    # A thread that wants the interpreter waits this long for one that computes in Python: 1 ms instead of 5 keeps the
    # window's loop and the camera from waiting for the counting.
    sys.setswitchinterval(0.001)


def make_counter(name: str) -> "Segmenter":
    """Return the model `name`, loaded, verified and warm.

    ``accurate`` is taken when it is installed and is ``fast`` otherwise; the counter's own name says which.
    """
    from app.inference.model_card import default_model, load_model
    from app.inference.segmenter import Segmenter

    chosen = default_model("accurate")[0] if name == "accurate" else name
    return Segmenter(load_model(chosen))


def make_tracker() -> Any:
    """Return a fresh memory of the nuclei's size, one a stream."""
    from app.inference.scale import ScaleTracker

    return ScaleTracker()


class _Bench:
    """Makes the parts, and lets a simulated camera see a simulated light."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.light_history = ReadBackHistory()
        self._box: Any = None

    def light(self) -> LightSource:
        if self._settings.light_id == "sim":
            from app.hardware.serial_simulator import simulated_light

            light, self._box = simulated_light(self._clock)
            return light
        from app.hardware.light_discovery import light_at

        return light_at(self._settings.light_id, clock=self._clock)

    def camera(self) -> Camera:
        settings = self._settings
        given = settings.segmentation.pixel_size_um
        if settings.camera_images is not None:
            from app.hardware.basler_folder import FolderCamera

            size = given if isinstance(given, float) else None
            return FolderCamera(settings.camera_images, pixel_size_um=size, clock=self._clock)
        if settings.camera_id == "sim":
            return self._simulated_camera()
        from app.hardware.basler import BaslerCamera

        return BaslerCamera(settings.camera_id, pixel_size_um=settings.optics.pixel_size_um(), clock=self._clock)

    def _simulated_camera(self) -> Camera:
        from app.hardware.scene import SLIDE, SceneSpec, structures_for
        from app.hardware.simulated import SimulatedCamera

        settings = self._settings
        structures = structures_for(settings.channels)
        spec = SceneSpec(seed=settings.seed, pixel_size_um=settings.optics.pixel_size_um(), structures=structures)
        if settings.seed == 0:  # no cells but a slide to calibrate with
            spec = replace(spec, nuclei=0, structures=(SLIDE,) * len(structures))
        return SimulatedCamera(spec, light=_Probe(self), clock=self._clock)

    def true_levels(self, start_s: float, end_s: float) -> Sequence[tuple[float, Levels]]:
        if self._box is None:
            return self.light_history.levels_between(start_s, end_s)
        changes = [(moment, levels) for moment, levels in self._box.changes_between(start_s, end_s) if moment < end_s]
        return [(start_s, self._box.levels_at(start_s)), *changes]


class _Probe:
    """What the simulated camera sees of the light: the simulated box itself, or what a real box reads back."""

    def __init__(self, bench: _Bench) -> None:
        self._bench = bench

    def levels_between(self, start_s: float, end_s: float) -> Sequence[tuple[float, Levels]]:
        return self._bench.true_levels(start_s, end_s)


class ReadBackHistory:
    """The light as a box outside this process reported it, for a simulated camera in front of it."""

    def __init__(self, keep: int = 4096) -> None:
        self._changes: list[tuple[float, Levels]] = []
        self._keep = keep

    def listen(self, event: Event) -> None:
        """Note what was read back."""
        if not isinstance(event, LightSeen) or event.reading is None:
            return
        levels = event.reading.levels
        if not self._changes or self._changes[-1][1] != levels:
            self._changes = [*self._changes[-self._keep :], (event.reading.confirmed_s, levels)]

    def levels_between(self, start_s: float, end_s: float) -> Sequence[tuple[float, Levels]]:
        """Return (since_s, levels) in time order; the first entry holds at `start_s`; see the camera's light probe."""
        changes = self._changes
        before: Levels = next((levels for moment, levels in reversed(changes) if moment <= start_s), ())
        return [(start_s, before), *(change for change in changes if start_s < change[0] < end_s)]
