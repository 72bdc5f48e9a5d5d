"""The start: devices and model opened, live imaging begun, and what becomes of a start that is cancelled.

The order is light source (dark, confirmed), camera, model; then light on, camera running. `Session.cancel`, on whatever
thread, ends the wait for what is under way (`app.cancellation`): here, on the device worker, the call that waited
raises, and what had begun is taken back.
"""

from typing import NoReturn

from app.bench import UNREAD
from app.desks import Asked
from app.errors import CancelledError, DapiscopeError, DeviceError, LightStuckError
from app.events import State
from app.imaging import Imaging
from app.live_recording import LiveRecording
from app.replaying import Replaying
from app.replug import Replug
from app.stopping import Stopping
from app.workplace import Workplace


class Starting:
    """Opens devices and model, and begins live imaging; on the device worker."""

    def __init__(
        self,
        at: Workplace,
        imaging: Imaging,
        recording: LiveRecording,
        replaying: Replaying,
        stopping: Stopping,
        replug: Replug,
    ) -> None:
        self._at, self._imaging, self._recording = at, imaging, recording
        self._replaying, self._stopping, self._replug = replaying, stopping, replug

    def connect(self) -> None:
        """Open what is not open yet, the light first; the model is loaded meanwhile."""
        self._at.models.begin()
        self._at.bench.connect(self._at.settings)
        self._imaging.meet()

    def connect_anew(self) -> None:
        """Open what is not open yet, after a failure too."""
        again = self._at.life.state is State.FAILED
        if again:
            self._at.life.begin(State.STARTING)
        self.connect()
        if again:
            self._at.life.move(State.IDLE)

    def start_live(self, recording: Asked | None, offs: int) -> None:
        """Begin live imaging, asked for after `offs` times "all off", with a recording if one was asked for."""
        at = self._at
        try:
            self._begin_live(recording, offs)
        except DapiscopeError as error:
            starting = at.life.state is State.STARTING
            if at.cancellation.cancelled and starting and not isinstance(error, DeviceError):
                self._take_back()
            raise

    def _begin_live(self, recording: Asked | None, offs: int) -> None:
        at = self._at
        if at.life.state is State.LIVE and recording is not None:
            self._recording.start(recording)  # it was starting, or took a snapshot, when this was asked
        if at.life.state in (State.LIVE, State.CLOSED):
            return
        self._replaying.close()
        self._replug.forget()
        at.life.begin(State.STARTING)
        self.connect()
        at.bench.configure(at.settings.camera)  # a snapshot has left others
        at.models.await_counter()  # nothing shines yet: better to wait for it here than to bleach uncounted
        at.bench.begin_counting()
        at.stream.begin(lossless=at.settings.camera_images is not None, camera=at.bench.counts)
        if recording is not None:
            self._recording.start(recording)
        at.light.ask(offs)
        at.lookout.guard()  # before anything shines
        self._imaging.run()
        at.lookout.watch()
        at.cancellation.settle()
        if at.life.state is State.STARTING:
            at.life.move(State.LIVE)

    def _take_back(self) -> NoReturn:
        """End a start that was cancelled: CancelledError says what became of it, a LightError that it may shine."""
        at = self._at
        recorded = at.recording.active
        doubt = self._stopping.tear_down()
        dark, frames = at.bench.dark, at.recording.kept if recorded else 0
        if doubt is not None or dark is False:
            raise doubt or LightStuckError(UNREAD)
        if at.life.state is State.STARTING:
            at.life.move(State.IDLE)
        kept = f"{frames} frames were recorded" if frames else "nothing was recorded"
        raise CancelledError(f"The start was cancelled; {'nothing shines and ' if dark else ''}{kept}.")
