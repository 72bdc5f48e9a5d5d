"""What the window asks of a session; nothing else of it is known here.

Every command returns at once: the work is done on the session's own threads, and what came of it arrives as events.
"""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, Protocol

from app.display import Contrast, View
from app.events import Event, State, Stats
from app.frame import Frame, Segmentation
from app.plan import Plan
from app.settings import CameraSettings, Channel, Settings


class SessionPort(Protocol):
    """The commands and the few facts that the window needs; `app.session.Session` has them."""

    @property
    def state(self) -> State:
        """Where the session stands."""
        ...

    @property
    def untouched(self) -> bool:
        """True while nothing was asked of camera and light but to be opened."""
        ...

    @property
    def settings(self) -> Settings:
        """What the session was made with, and what was changed since."""
        ...

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The colours of light, in the order of their keys."""
        ...

    @property
    def selected_channel(self) -> str | None:
        """The channel that is armed, or None for darkness."""
        ...

    @property
    def last_frame(self) -> Frame | None:
        """The newest frame, for reading pixels."""
        ...

    @property
    def last_result(self) -> Segmentation | None:
        """The newest segmentation."""
        ...

    def stats(self) -> Stats:
        """Return rates and counters of this run."""
        ...

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have `listener` called, on foreign threads, for every event; returns what ends it."""
        ...

    def connect(self) -> Future[Any]:
        """Open light, camera and model."""
        ...

    def start_live(self) -> Future[Any]:
        """Let frames flow."""
        ...

    def stop_live(self) -> Future[Any]:
        """Stop the frames; the light goes off."""
        ...

    def set_channel(self, name: str | None) -> Future[Any]:
        """Select a channel; in live its light goes on now, None goes dark."""
        ...

    def choose_channel(self, name: str, intensity: float) -> Future[Any]:
        """Select a channel at a level: what shines changes to it, what is dark stays dark."""
        ...

    def set_intensity(self, level: float) -> Future[Any]:
        """Set the selected channel's level, 0…1."""
        ...

    def all_off(self) -> Future[Any]:
        """Switch every light off before anything else is done."""
        ...

    def new_field(self) -> Any:
        """Say that another field is in view: the dose begins at zero."""
        ...

    def offer_recovery(self, folder: Path) -> Any:
        """Tell of recordings in `folder` that a crash left unfinished."""
        ...

    def cancel(self) -> Any:
        """End what takes long: opening devices, a start, a snapshot, a model that is loaded."""
        ...

    def set_camera(self, settings: CameraSettings) -> Future[Any]:
        """Ask the camera for these settings."""
        ...

    def set_view(self, view: View) -> Any:
        """Say what is looked at."""
        ...

    def set_contrast(self, contrast: Contrast) -> Any:
        """Say which grey values are black and white."""
        ...

    def set_segmenting(self, on: bool) -> Any:
        """Count, or do not."""
        ...

    def set_model(self, name: str) -> Future[Any]:
        """Load and use another model."""
        ...

    def set_pixel_size(self, value: float | Literal["auto"] | None) -> Any:
        """Set µm per pixel; None takes the frame's own, ``"auto"`` estimates it."""
        ...

    def snap(self, segment: bool, folder: Path) -> Future[Any]:
        """Take and save one frame with the least light."""
        ...

    def calibrate(self, channel: str, frames: int) -> Future[Any]:
        """Take dark frames and frames of an even field."""
        ...

    def cancel_calibration(self) -> Any:
        """Give up what is being taken."""
        ...

    def set_flat_field(self, on: bool) -> Future[Any]:
        """Show and count without shading, or with it."""
        ...

    def set_measured_pixel(self, pixel_um: float | None) -> Future[Any]:
        """Set µm in the sample per unbinned pixel; None goes back to what the optics say."""
        ...

    def run_plan(self, plan: Plan, folder: Path, zarr: bool = False) -> Future[Any]:
        """Carry out a plan; nothing else can be asked of the devices until it ends."""
        ...

    def pause_plan(self) -> Any:
        """Hold the plan."""
        ...

    def resume_plan(self) -> Any:
        """Go on with the plan."""
        ...

    def stop_plan(self) -> Any:
        """End the plan; what was taken is kept."""
        ...

    def start_recording(self, folder: Path) -> Future[Any]:
        """Record every frame from now on."""
        ...

    def give_up_recording(self) -> Any:
        """Give up a recording whose disk is being measured."""
        ...

    def stop_recording(self) -> Future[Any]:
        """Finish the recording."""
        ...

    def open_replay(self, path: Path) -> Future[Any]:
        """Replay a file or a folder."""
        ...

    def replay_play(self) -> Any:
        """Go on."""
        ...

    def replay_pause(self) -> Any:
        """Hold."""
        ...

    def replay_step(self, n: int) -> Any:
        """Move by `n` frames and hold."""
        ...

    def replay_seek(self, i: int) -> Any:
        """Go to frame `i`."""
        ...

    def replay_speed(self, x: float) -> Any:
        """Play `x` times as fast as it was recorded."""
        ...

    def replay_loop(self, on: bool) -> Any:
        """Begin again at the end."""
        ...

    def close_replay(self) -> Future[Any]:
        """Leave the replay."""
        ...

    def set_sample(self, sample: str, operator: str) -> Any:
        """Say what and who, for the files."""
        ...

    def fail(self, error: BaseException) -> Any:
        """Take anything unexpected: light off, stop."""
        ...

    def close(self) -> bool:
        """Stop, light off, threads joined; waits. Returns True when the box confirmed that it is dark."""
        ...
