"""Live imaging while it runs: what becomes of each frame, and what can be changed meanwhile.

How it begins is in `app.starting`, how it ends in `app.stopping`. One frame is labelled with the light that was
confirmed, gets its pixel size, is corrected, and is fed to the run (`app.stream`): recorder, screen, counting.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.calibration_desk import camera_key
from app.errors import CameraError, UsageError
from app.events import Notice, State
from app.frame import Frame
from app.in_force import running_free
from app.settings import CameraSettings
from app.workplace import Workplace


class Imaging:
    """The camera's frames, and the channel, level and settings they are taken with.

    Parameters
    ----------
    at : Workplace
    ended : callable
        Ends live imaging on the device worker, after the camera's last frame.
    """

    def __init__(self, at: Workplace, ended: Callable[[], object]) -> None:
        self._at, self._ended = at, ended

    # ------------------------------------------------------------------ frames, on the source's thread

    def frame_arrived(self, frame: Frame) -> None:
        """Take a frame of the running camera."""
        at = self._at
        path, labeller = at.stream.path, at.bench.labeller
        if path is None or labeller is None:
            return
        if at.light.frame_came():
            at.later(self._relight)
        labelled = self.calibrated(labeller.label(frame))
        at.stream.last_frame = labelled
        path.feed(labelled)

    def calibrated(self, frame: Frame) -> Frame:
        """Return `frame` with its pixel size, and without the shading that is known of its channel."""
        return self._at.calibration.correct(replace(frame, pixel_size_um=self._pixel_size(frame)), self._at.settings)

    def _pixel_size(self, frame: Frame) -> float | None:
        settings = self._at.settings
        given = settings.segmentation.pixel_size_um
        if isinstance(given, float):
            return given
        if frame.name:  # an image file that the emulator played: its scale is its own
            return frame.pixel_size_um
        camera = self._at.bench.camera
        return settings.optics.pixel_size_um(camera.settings.binning if camera is not None else 1)

    def camera_ended(self, error: BaseException | None) -> None:
        """Take note that the running camera sends no more frames."""
        if error is not None:
            self._at.fail(error)
        elif self._at.bench.running and self._at.life.state in (State.LIVE, State.STARTING):
            self._at.later(self._ended_by_itself, fatal=True)

    def _ended_by_itself(self) -> None:
        if self._at.settings.camera_images is None:
            return
        for name, reason in self._at.bench.rejected():
            self._at.announcer.publish(Notice("error", f"{name} could not be played: {reason}."))
        self._ended()

    # ------------------------------------------------------------------ regular looks, on the lookout's threads

    def tell(self) -> None:
        """Tell rates, recording, and whether the stage was moved."""
        self._at.stream.tell()
        self._at.recording.tell()
        frame = self._at.stream.last_frame
        if self._at.life.state is State.LIVE and frame is not None:
            self._at.dose.look(frame)

    def look_for_frames(self) -> None:
        """See that nothing shines without frames."""
        if self._at.life.state in (State.LIVE, State.STARTING, State.SNAPPING):
            self._at.light.look()

    # ------------------------------------------------------------------ on the device worker

    def run(self) -> None:
        """Light on where it is wanted; then the camera."""
        self._at.light.run(self.frame_arrived, self.camera_ended)

    def resume(self, settings: CameraSettings) -> None:
        """Go on with live imaging after a pause; a camera that does not start again is a failure of the session."""
        try:
            if self._at.bench.need_camera().settings != settings:
                self._at.bench.configure(settings)
            self.run()
        except Exception as error:
            self._at.fail(error)
            raise

    def _relight(self) -> None:
        if self._at.life.state is State.LIVE:
            self._at.light.come_back()

    # ------------------------------------------------------------------ the light

    def set_channel(self, name: str | None, offs: int) -> None:
        """Select a channel, asked for after `offs` times "all off", and shine it while live. None: go dark."""
        light = self._at.light
        if name is not None:
            self._select(channel=name)
        light.ask(offs if name is not None else None)
        if self._at.life.state is State.LIVE:
            light.switch(name if light.wanted else None, offs)

    def choose_channel(self, name: str, intensity: float, offs: int) -> None:
        """Select a channel with its level; what is dark stays dark."""
        self._select(channel=name, intensity=intensity)
        self._shine_on(offs)

    def set_intensity(self, level: float, offs: int) -> None:
        """Set the level of the selected channel."""
        self._at.in_force.update("light", intensity=level)
        self._shine_on(offs)

    def _shine_on(self, offs: int) -> None:
        """Have what shines shine as selected now."""
        if self._at.life.state is State.LIVE and self._at.light.wanted:
            self._at.light.switch(self._at.settings.light.channel, offs)

    def _select(self, **light: Any) -> None:
        """Have this channel, and level where one is given, for the one that shines or will."""
        known = [channel.name for channel in self._at.settings.channels]
        if light["channel"] not in known:
            raise UsageError(f"There is no channel {light['channel']!r}; choose one of {', '.join(known)}.")
        self._at.in_force.update("light", **light)
        if self._at.settings.flat_field and self._at.bench.camera is not None:
            self.meet()

    # ------------------------------------------------------------------ the camera

    def set_camera(self, wanted: CameraSettings) -> None:
        """Apply camera settings; those that the running camera cannot take restart it."""
        bench, wanted = self._at.bench, running_free(wanted)
        actual, before = wanted, self._at.settings.camera
        if bench.camera is not None:
            hot = {"exposure_ms", "gain_db", "fps"}
            cold = wanted.model_dump(exclude=hot) != before.model_dump(exclude=hot)
            if self._at.life.state is not State.LIVE or not cold:
                actual = bench.configure(wanted)
                self._at.light.repace()
            elif self._at.recording.active:
                raise CameraError("Stop the recording before changing the pixel format, the region or the binning.")
            else:
                actual = self._restart_with(wanted)
        self._take_camera(actual)
        if (actual.binning, actual.roi) != (before.binning, before.roi) and bench.camera is not None:
            self.meet()

    def _take_camera(self, actual: CameraSettings) -> None:
        """Take what the camera has for the settings in force."""
        said = self._at.in_force.take_camera(actual)
        if said is not None:
            self._at.announcer.publish(Notice("info", said))

    def _restart_with(self, wanted: CameraSettings) -> CameraSettings:
        self._at.light.hold()
        try:
            actual = self._at.bench.configure(wanted)
        except CameraError:
            self.resume(self._at.settings.camera)
            raise
        self._take_camera(actual)  # before its frames come
        self.resume(actual)
        return actual

    # ------------------------------------------------------------------ the calibration

    def meet(self, *channels: str) -> None:
        """Have the calibration of the camera in use at hand before frames come."""
        at = self._at
        camera = camera_key(at.bench.need_camera().info)
        # It reads files, while the window may change other sections.
        at.in_force.put(optics=at.calibration.meet(camera, at.settings, channels).optics)
        at.calibration.tell(at.settings)

    def set_flat_field(self, on: bool) -> None:
        """Show and count without the shading of the channels that have a flat field, or with it."""
        self._at.in_force.put(flat_field=on)
        if self._at.bench.camera is not None:
            self.meet()
        self._at.stream.redraw()

    def set_measured_pixel(self, pixel_um: float | None) -> None:
        """Take what a stage micrometer gave for the size of an unbinned pixel; None forgets it."""
        at = self._at
        at.in_force.update("optics", measured_pixel_um=pixel_um)  # checks it
        at.in_force.put(optics=at.calibration.measured(at.settings.optics, pixel_um))
        at.calibration.tell(at.settings)
