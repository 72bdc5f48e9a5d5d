"""Basler cameras through pylon, and pylon's own emulator; the only importer of pypylon.

Written for the daA3840-45um (USB3 Vision, rolling shutter). Lessons of pylon's users that shape this file: an own
thread that calls RetrieveResult instead of image callbacks; success is `GrabSucceeded`, never the error code; a
removed camera is polled for, and neither stopped nor closed, only destroyed; buffers are given back at once.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from pypylon import genicam, pylon

from app.clock import Clock, SystemClock
from app.errors import CameraError, CameraGoneError
from app.frame import BufferPool, EndSink, Frame, FrameSink, read_only
from app.hardware.base import Camera, CameraInfo, CameraLimits, CameraStats
from app.hardware.basler_features import Features, read_back, read_limits, reset, write_exposure, write_picture
from app.hardware.camera_checks import check_limits, check_live_change
from app.hardware.camera_timing import StampClock, Timing, timing_of
from app.settings import CameraSettings

PIXEL_UM = {"daA3840-45um": 2.0, "daA3840-45uc": 2.0}
"""Sensor pixel pitch by model; others are taken for 2 µm, and the optics settings have the last word."""
STALL_S = 2.0
"""Silence beyond the frame period after which the camera counts as stuck."""
NO_BLOCK = (1 << 64) - 1
"""What pylon calls a result that has no number, as a damaged one may not."""

_log = logging.getLogger(__name__)
_EMULATOR = "BaslerCamEmu"
_GONE = "The camera was unplugged; plug it in again."
_STUCK = "The camera has stopped sending frames; check its USB cable, then start again, with the bandwidth limit on."
_NONE = "No Basler camera found; check the USB cable and, on Linux, the udev rule (packaging/udev), then try again."


def list_cameras() -> list[CameraInfo]:
    """Return the cameras pylon finds now, real ones first; emulated ones say so.

    Raises
    ------
    CameraError
        When pylon itself does not work.
    """
    return [_info(device) for device in _devices()]


def _devices() -> list[Any]:
    try:
        devices = list(pylon.TlFactory.GetInstance().EnumerateDevices())
    except genicam.GenericException as error:
        raise CameraError(f"pylon could not look for cameras; reinstall pypylon ({_first_line(error)}).") from error
    return sorted(devices, key=_emulated)


def _emulated(device: Any) -> bool:
    return bool(device.GetDeviceClass() == _EMULATOR)


def _info(device: Any) -> CameraInfo:
    model, serial = device.GetModelName(), device.GetSerialNumber()
    if _emulated(device):
        model = f"{model} (pylon emulator)"
    return CameraInfo(
        f"pylon:{serial}", device.GetVendorName(), model, serial, _emulated(device), PIXEL_UM.get(model, 2.0)
    )


class BaslerCamera(Camera):
    """A Basler camera, or pylon's emulation of one.

    After CameraGoneError `open` may be called again: it looks for the same camera and re-applies the settings.

    Parameters
    ----------
    camera_id : str
        ``"pylon"`` for the first camera found (real ones before emulated), or ``"pylon:SERIAL"``.
    pixel_size_um : float or None
        µm per sensor pixel in the sample, before binning.
    clock : Clock
    """

    def __init__(
        self, camera_id: str = "pylon", pixel_size_um: float | None = None, clock: Clock | None = None
    ) -> None:
        self._serial = camera_id.partition(":")[2]
        self._pixel_size_um = pixel_size_um
        self._clock = clock or SystemClock()
        self._info = CameraInfo(camera_id, "Basler", "camera", self._serial, False, 2.0)
        self._settings = CameraSettings()
        self._limits: CameraLimits | None = None
        self._readout_ms = 0.0
        self._camera: Any = None
        self._features = Features(None)
        self._converter: Any = None
        self._gone = False
        self._pool: BufferPool | None = None
        self._stamps = StampClock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._over = True
        self._awaited_s: float | None = None
        self._next_block: int | None = None
        self._index = 0
        self._stats = CameraStats()

    @property
    def info(self) -> CameraInfo:
        """Return who it is; complete once open."""
        return self._info

    @property
    def limits(self) -> CameraLimits:
        """Return what the open camera accepts."""
        self._need_open()
        if self._limits is None:
            raise CameraError("The camera is not open; open it first.")
        return self._limits

    @property
    def settings(self) -> CameraSettings:
        """Return what was read back last."""
        return self._settings

    @property
    def readout_ms(self) -> float:
        """Return the rolling readout, from the camera where it tells, else from its data rate."""
        return self._readout_ms

    @property
    def resulting_fps(self) -> float:
        """Frames per second that the camera says it can deliver under the settings in force."""
        told = self._features.get("resulting_fps") if self._alive() else None
        return float(told) if told else 1 / self._timing().period_s

    def open(self) -> None:
        """Claim the camera and bring it to a known state; see `Camera.open`."""
        if self._alive():
            return
        self.close()
        device = self._find()
        with self._translated("open"):
            try:
                self._camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateDevice(device))
                self._camera.Open()
            except genicam.GenericException as error:
                self._camera = None
                raise CameraError(
                    f"Camera {device.GetFriendlyName()} could not be opened; close the other program that uses it "
                    f"(pylon Viewer?) and try again ({_first_line(error)})."
                ) from error
        self._features, self._gone, self._info = Features(self._camera), False, _info(device)
        self._serial = self._info.serial
        try:
            with self._translated("get ready"):
                reset(self._features)
                self._limits = read_limits(self._features)
                self._write(self._settings)
        except BaseException:
            self.close()
            raise

    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Apply `settings`; see `Camera.configure`."""
        self._need_open()
        check_limits(settings, self.limits)
        if self._running():
            check_live_change(self._settings, settings)
        before = self._settings
        with self._translated("take these settings"):
            try:
                return self._write(settings)
            except (genicam.GenericException, CameraError):
                # It has taken a part of them: frames must not come with others than `settings` says.
                with suppress(genicam.GenericException, CameraError):
                    self._write(before)
                raise

    def start(self, sink: FrameSink, ended: EndSink) -> None:
        """Deliver frames to `sink` on the thread ``app-camera``; see `Camera.start`."""
        self._need_open()
        if self._running():
            raise CameraError("The camera is running; stop it before starting it again.")
        self.stop()
        self._stats, self._index, self._next_block, self._awaited_s = CameraStats(), 0, None, None
        self._stamps.reset()
        self._stopping.clear()
        self._begin()
        self._over = False
        self._thread = threading.Thread(target=self._run, args=(sink, ended), name="app-camera", daemon=True)
        self._thread.start()

    def trigger(self) -> None:
        """Expose one frame; waits until the camera is ready for it."""
        self._need_open()
        if not self._running() or self._settings.trigger != "software":
            raise CameraError("The camera takes no trigger now; start it in software-trigger mode first.")
        with self._translated("take a trigger"):
            self._fire()

    def stop(self) -> None:
        """Stop delivering; returns when the thread is gone."""
        self._stopping.set()
        if self._alive():
            try:
                self._camera.StopGrabbing()
            except genicam.GenericException as error:
                _log.warning("the camera did not stop grabbing: %s", _first_line(error))
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None
            if self._pool is not None:
                self._pool.clear()

    def stats(self) -> CameraStats:
        """Return the counters since the last `start`."""
        return self._stats

    def close(self) -> None:
        """Stop and release; a camera that is gone is only destroyed, since stopping it can hang."""
        self.stop()
        self._destroy()

    # Grabbing: `_run` and what it calls are on the camera's thread.

    def _run(self, sink: FrameSink, ended: EndSink) -> None:
        error: BaseException | None = None
        try:
            self._deliver(sink)
        except genicam.GenericException as problem:
            error = self._translation("deliver frames", problem)
        except Exception as problem:  # noqa: BLE001 - whatever ends this thread must reach the session, not be lost
            error = problem
        self._over = True
        if isinstance(error, CameraGoneError):
            self._gone = True
        ended(None if self._stopping.is_set() and not self._gone else error)

    def _deliver(self, sink: FrameSink) -> None:
        heard_s = self._clock.monotonic()
        triggered = self._settings.trigger == "software"
        while not self._stopping.is_set():
            result = self._retrieve(200)
            now_s = self._clock.monotonic()
            if result is not None:
                heard_s, self._awaited_s = now_s, None
                with result:
                    frame = self._frame(result, now_s)
                if frame is not None:
                    sink(frame)
                continue
            since_s = self._awaited_s if triggered else heard_s
            timing = self._timing()
            if since_s is not None and now_s - since_s > STALL_S + timing.period_s + timing.exposure_s:
                raise CameraError(_STUCK)

    def _begin(self) -> None:
        with self._translated("start"):
            self._camera.StartGrabbing(pylon.GrabStrategy_OneByOne)

    def _end_grab(self) -> None:
        if self._alive():
            self._camera.StopGrabbing()

    def _fire(self) -> None:
        patience_ms = int(5000 + 2 * self._settings.exposure_ms)
        if not self._camera.WaitForFrameTriggerReady(patience_ms, pylon.TimeoutHandling_Return):
            raise CameraError(_STUCK)
        self._awaited_s = self._clock.monotonic()
        self._camera.ExecuteSoftwareTrigger()

    def _retrieve(self, timeout_ms: int) -> Any | None:
        """Return the next result, good or damaged, or None; raises CameraGoneError when the camera was removed."""
        result = self._camera.RetrieveResult(timeout_ms, pylon.TimeoutHandling_Return)
        if self._camera.IsCameraDeviceRemoved():
            raise CameraGoneError(_GONE)
        return result if result.IsValid() else None

    def _frame(self, result: Any, arrival_s: float) -> Frame | None:
        """Copy a result out of pylon's buffer and count it; None when it is damaged."""
        index = self._number(int(result.BlockID))
        if not result.GrabSucceeded():
            self._stats = replace(self._stats, lost=self._stats.lost + 1, failed=self._stats.failed + 1)
            return None
        pixels, pixel_format = self._pixels(result)
        end_s = self._stamps.exposure_end(arrival_s, int(result.TimeStamp))
        settings = self._settings
        self._stats = replace(self._stats, grabbed=self._stats.grabbed + 1)
        return Frame(
            pixels=read_only(pixels),
            index=index,
            exposure_end_s=end_s,
            unix_time_s=self._clock.unix() - (self._clock.monotonic() - end_s),
            exposure_ms=settings.exposure_ms,
            gain_db=settings.gain_db,
            pixel_format=pixel_format,
            pixel_size_um=None if self._pixel_size_um is None else self._pixel_size_um * settings.binning,
            source=self._info.title,
            readout_ms=self._readout_ms,
        )

    def _number(self, block: int) -> int:
        """Return the frame's own number, and count the frames missing before it by the camera's numbering."""
        if block == NO_BLOCK:
            index, self._index = self._index, self._index + 1
            if self._next_block is not None:
                self._next_block += 1  # it took one of the camera's numbers, though it does not say which
            return index
        if self._next_block is not None and block > self._next_block:
            gap = block - self._next_block
            self._index += gap
            self._stats = replace(self._stats, lost=self._stats.lost + gap)
        # A number that is no larger than the last has wrapped round, or the camera gives none.
        self._next_block = block + 1
        index, self._index = self._index, self._index + 1
        return index

    def _pixels(self, result: Any) -> tuple[np.ndarray[Any, Any], str]:
        kind = result.GetPixelType()
        source, pixel_format = result, "Mono8"
        if kind == pylon.PixelType_Mono12p:
            source, pixel_format = self._unpacker().Convert(result), "Mono12"
        elif kind != pylon.PixelType_Mono8:
            pixel_format = "Mono16" if kind == pylon.PixelType_Mono16 else "Mono12"
        with source.GetArrayZeroCopy() as array:
            if self._pool is None or self._pool.shape != array.shape or self._pool.dtype != array.dtype:
                self._pool = BufferPool(array.shape, array.dtype)
            pixels = self._pool.take()
            np.copyto(pixels, array)
        return pixels, pixel_format

    def _unpacker(self) -> Any:
        if self._converter is None:
            self._converter = pylon.ImageFormatConverter()
            self._converter.OutputPixelFormat = pylon.PixelType_Mono16
            self._converter.OutputBitAlignment.Value = "LsbAligned"
        return self._converter

    # The camera's settings.

    def _find(self) -> Any:
        """Return pylon's description of the camera wanted; real ones go before emulated ones."""
        devices = _devices()
        if self._serial:
            devices = [device for device in devices if device.GetSerialNumber() == self._serial]
            if not devices:
                raise CameraError(f"No camera with serial number {self._serial} found; check its USB cable and number.")
        if not devices:
            raise CameraError(_NONE)
        return devices[0]

    def _find_emulated(self) -> Any:
        """Return pylon's emulated camera; ``PYLON_CAMEMU`` must be set."""
        devices = [device for device in _devices() if _emulated(device)]
        if not devices:
            raise CameraError("pylon's camera emulator is missing; reinstall pypylon.")
        return devices[0]

    def _write(self, settings: CameraSettings) -> CameraSettings:
        """Set everything that may be set now, and return what was read back."""
        if not self._running():
            write_picture(self._features, settings, self._region(settings))
        write_exposure(self._features, settings)
        exposed_ms = self._settings.exposure_ms
        self._settings = read_back(self._features, settings)
        if self._settings.exposure_ms != exposed_ms:
            self._stamps.exposure_changed(self._clock.monotonic())
        told_us = self._features.get("readout_us")
        self._readout_ms = float(told_us) / 1000 if told_us else 1000 * self._timing().readout_s
        return self._settings

    def _region(self, settings: CameraSettings) -> tuple[int, int, int, int]:
        """Return (x, y, width, height) in sensor pixels; by default 3840×2160, or the whole of a smaller sensor."""
        if settings.roi is not None:
            return settings.roi
        if self._limits is None:
            return 0, 0, 3840, 2160
        step_x, step_y = self._limits.roi_step
        width = min(3840, self._limits.width[1]) // step_x * step_x
        height = min(2160, self._limits.height[1]) // step_y * step_y
        return 0, 0, width, height

    def _timing(self) -> Timing:
        _, _, width, height = self._region(self._settings)
        return timing_of(self._settings, width, height)

    # Being there, and going.

    def _alive(self) -> bool:
        if self._camera is None or self._gone:
            return False
        if self._camera.IsCameraDeviceRemoved():
            self._gone = True
        return not self._gone

    def _running(self) -> bool:
        return self._thread is not None and not self._over

    def _need_open(self) -> None:
        if self._camera is not None and not self._alive():
            raise CameraGoneError(_GONE)
        if self._camera is None:
            raise CameraError("The camera is not open; open it first.")

    def _destroy(self) -> None:
        """Let go of the camera; one that was removed is neither stopped nor closed."""
        camera, self._camera = self._camera, None
        self._pool = self._limits = None
        self._features = Features(None)
        if camera is None:
            return
        try:
            if not self._gone:
                camera.Close()
            camera.DestroyDevice()
        except genicam.GenericException as error:
            _log.warning("the camera was not released cleanly: %s", _first_line(error))

    def _translation(self, what: str, error: BaseException) -> CameraError:
        if self._camera is not None and self._camera.IsCameraDeviceRemoved():
            self._gone = True
            return CameraGoneError(_GONE)
        return CameraError(f"The camera did not {what}; reconnect it and try again ({_first_line(error)}).")

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Turn pylon's exceptions into one sentence."""
        try:
            yield
        except genicam.GenericException as error:
            raise self._translation(what, error) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0].split(" : ")[0].rstrip(".") if text else type(error).__name__
