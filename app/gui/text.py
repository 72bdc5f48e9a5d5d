"""What people read: the one place where words are looked up, so that they can be translated."""

from PySide6.QtCore import QCoreApplication, QLocale


def tr(text: str) -> str:
    """Return `text` in the operator's language; the English sentence is the key."""
    return QCoreApplication.translate("dapiscope", text)


def number(value: float, decimals: int = 0) -> str:
    """Return a number as the operator's country writes it. For the screen only, never for files."""
    return QLocale().toString(float(value), "f", decimals)


def plain(value: float) -> str:
    """Return a number with no more decimals than it has, as the operator's country writes it; for the screen only."""
    return QLocale().toString(float(value), "g", 6)


def percent(fraction: float, decimals: int = 0) -> str:
    """Return 0…1 as a percentage for the screen."""
    return f"{number(100 * fraction, decimals)} %"


def short(seconds: float) -> str:
    """Return a length of time of less than a minute, in ms or s, with two or three figures that matter."""
    if seconds >= 1:
        return f"{number(seconds, 1)} s"
    return f"{number(1000 * seconds, 1 if seconds < 0.01 else 0)} ms"


def duration(seconds: float) -> str:
    """Return a length of time in the two units that matter."""
    whole = max(int(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"
