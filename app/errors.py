"""Every error an operator can meet, in one tree.

::

    DapiscopeError                 exit code 1
    ├── UsageError                 exit code 2: the command was wrong
    ├── RefusedError               exit code 3: not started, for a reason; nothing was touched
    ├── DeviceError
    │   ├── CameraError
    │   │   └── CameraGoneError    unplugged while in use
    │   └── LightError
    │       ├── LightGoneError     the port died
    │       ├── LightHeldError     asked to shine while everything is being stopped
    │       ├── LightRangeError    a value the light source cannot take (never clipped)
    │       └── LightStuckError    "off" could not be confirmed
    ├── FileError
    │   ├── BadImageError          unreadable, truncated or absurd
    │   └── RecordingError         a frame could not be written
    ├── ModelError                 missing, altered or unfit model
    └── CancelledError             somebody gave up what was being done; nothing of it is left

Each message is one sentence for the operator that says what to do next. A traceback never reaches the screen
for one of these; anything else is a bug and may.
"""


class DapiscopeError(Exception):
    """Base of every expected failure; its text is one sentence for the operator."""

    exit_code = 1


class UsageError(DapiscopeError):
    """The command or a setting was wrong."""

    exit_code = 2


class RefusedError(DapiscopeError):
    """The work was refused before it began.

    Parameters
    ----------
    message : str
        One sentence for the operator.
    reason : str
        One word for scripts, e.g. ``"disk"``.
    """

    exit_code = 3

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class DeviceError(DapiscopeError):
    """A camera or a light source failed."""


class CameraError(DeviceError):
    """The camera failed or refused."""


class CameraGoneError(CameraError):
    """The camera was unplugged while in use."""


class LightError(DeviceError):
    """The light source failed or refused."""


class LightGoneError(LightError):
    """The light source's port died; whether the light is off is not known."""


class LightHeldError(LightError):
    """The light is held dark because the session ends or has failed; nothing was changed."""


class LightRangeError(LightError):
    """A value or channel the light source cannot take; nothing was changed."""


class LightStuckError(LightError):
    """The light was told to go off and did not confirm it."""


class FileError(DapiscopeError):
    """A file or folder could not be used."""


class BadImageError(FileError):
    """An image that cannot be read: missing, truncated, no image, or of an absurd size."""


class RecordingError(FileError):
    """A frame could not be written; what was acknowledged before is kept."""


class ModelError(DapiscopeError):
    """A model or its card is missing, altered or unfit."""


class CancelledError(DapiscopeError):
    """Somebody gave up what was being done; nothing of it is left."""


def in_doubt(error: BaseException) -> bool:
    """Tell whether after `error` nobody knows what shines."""
    return isinstance(error, LightError) and not isinstance(error, LightRangeError | LightHeldError)


def sentence(error: BaseException) -> str:
    """Return what the operator reads: our own sentence, or what an unexpected error is called."""
    if isinstance(error, DapiscopeError):
        return str(error)
    what = " ".join(f"{type(error).__name__}, {error}".split())[:200]
    return f"Something unexpected went wrong ({what}): the light is being switched off; see the log."
