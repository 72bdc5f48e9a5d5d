"""What a session is made of: the desks, each the one owner of its state, that the session's commands are done at.

A command is a few calls to several desks in an order that matters. Which order that is stands in one module a kind of
command: `app.starting`, `app.stopping`, `app.imaging`, `app.live_recording`, `app.replaying`, `app.single_frames`.
`app.session` makes the desks, and lets the commands in one after the other.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from app.announcer import Announcer
from app.bench import Bench
from app.calibration_desk import CalibrationDesk
from app.cancellation import Cancellation
from app.clock import Clock
from app.counting_desk import Counter, CountingDesk
from app.desks import RecordingDesk, ReplayDesk
from app.dose_desk import DoseDesk
from app.in_force import InForce
from app.lifecycle import Lifecycle
from app.live_light import LiveLight
from app.lookout import Lookout
from app.model_desk import ModelDesk
from app.plan_desk import PlanDesk
from app.recording import RunMetadata
from app.settings import Settings
from app.stream import Stream


class Later(Protocol):
    """Has work done on the device worker, behind what was asked for before, and what goes wrong in it told."""

    def __call__(self, work: Callable[[], object], fatal: bool = False) -> "Future[Any]":
        """Do `work`; a failure of it ends the session if it is `fatal`. RuntimeError once the session is closed."""
        ...


@dataclass(frozen=True, slots=True)
class Workplace:
    """The desks of one session."""

    clock: Clock
    announcer: Announcer
    in_force: InForce
    life: Lifecycle
    cancellation: Cancellation
    bench: Bench
    light: LiveLight
    lookout: Lookout
    stream: Stream
    counting: CountingDesk
    models: ModelDesk
    calibration: CalibrationDesk
    recording: RecordingDesk
    replay: ReplayDesk
    plans: PlanDesk
    dose: DoseDesk
    finished: threading.Event
    """Set when a run ended by itself: the source's natural end, or a failure."""
    fail: Callable[[BaseException], None]
    """Ends everything because of an error, from any thread; the light goes off first."""
    later: Later

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self.in_force.settings

    def metadata(self, counter: Counter | None) -> RunMetadata:
        """Return what every file says of settings, devices and the model that counts."""
        camera, light = self.bench.camera, self.bench.light_info
        return RunMetadata.from_settings(
            self.settings,
            camera=camera.info.title if camera is not None else "",
            light=light.title if light is not None else "",
            model_name=counter.name if counter is not None else "",
            model_sha256=counter.sha256 if counter is not None else "",
        )
