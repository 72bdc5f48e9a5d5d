"""What the window remembers from one start to the next; never anything that a file's meaning depends on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_documents_path
from PySide6.QtCore import QSettings


def usual_store() -> QSettings:
    """Return the store in the operator's own configuration folder."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "dapiscope", "window")


class WindowStore:
    """Typed access to a QSettings."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings

    def text(self, key: str, default: str = "") -> str:
        """Return a remembered text."""
        value = self._settings.value(key)
        return value if isinstance(value, str) else default

    def number(self, key: str, default: float) -> float:
        """Return a remembered number; what cannot be read is `default`."""
        try:
            return float(self.text(key, str(default)))
        except ValueError:
            return default

    def flag(self, key: str, default: bool) -> bool:
        """Return a remembered yes or no."""
        return self.text(key, "1" if default else "0") == "1"

    def raw(self, key: str) -> Any:
        """Return what Qt itself packed (geometry, splitters), or None."""
        return self._settings.value(key)

    def put(self, values: Mapping[str, object]) -> None:
        """Remember texts, numbers and flags."""
        for key, value in values.items():
            self._settings.setValue(key, ("1" if value else "0") if isinstance(value, bool) else value)

    def sync(self) -> None:
        """Write now."""
        self._settings.sync()


def usual_folder() -> Path:
    """Return where snapshots and recordings go until the operator chooses."""
    return user_documents_path() / "dapiscope"
