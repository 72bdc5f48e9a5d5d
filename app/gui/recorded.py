"""What a file says of how a picture was taken, in words for the screen; what it does not say is left out."""

from PySide6.QtCore import QDateTime, QLocale

from app.events import ReplayMoved
from app.frame import BITS, Frame
from app.gui.text import number, plain, tr


def recorded_rows(replay: ReplayMoved, frame: Frame, given_um: float | None) -> tuple[tuple[str, str], ...]:
    """Return (name, value) of all that is known of a `frame` of a `replay`; a row without a name is a sentence.

    `given_um` is the size of a pixel where that is not the file's but was given.
    """
    height, width = frame.shape
    rows = [("", tr("Read from the file."))]
    if frame.exposure_ms is not None:
        rows.append((tr("Exposure"), f"{number(frame.exposure_ms, 2)} ms"))
    if frame.gain_db is not None:
        rows.append((tr("Gain"), f"{number(frame.gain_db, 1)} dB"))
    if replay.fps is not None and replay.length > 1:
        rows.append((tr("Frame rate"), f"{number(replay.fps, 1 if replay.fps >= 1 else 3)} fps"))
    rows.append((tr("Picture"), f"{width} × {height} px · {BITS[frame.pixel_format]} bit"))
    size_um = frame.pixel_size_um if given_um is None else given_um
    if size_um is not None:
        given = "" if replay.sized and given_um is None else f" ({tr('given')})"
        rows.append((tr("Pixel size"), f"{plain(size_um)} µm{given}"))
    if frame.unix_time_s:
        moment = QDateTime.fromMSecsSinceEpoch(round(1000 * frame.unix_time_s))
        rows.append((tr("Taken"), f"{QLocale().toString(moment.date(), QLocale.FormatType.ShortFormat)}, "
                     f"{moment.time().toString('hh:mm:ss')}"))  # fmt: skip
    for name, key in ((tr("Camera"), "camera"), (tr("Sample"), "sample"), (tr("Operator"), "operator")):
        if replay.told.get(key):
            rows.append((name, replay.told[key]))
    return tuple(rows)
