"""Pixel sizes that an operator told of files that do not say their own, remembered from one replay to the next."""

import json
import os
from pathlib import Path

from platformdirs import user_data_path

from app.images import PIXEL_SIZES_UM

MOST_PLACES = 1000
"""The oldest are forgotten beyond this."""


def usual_file() -> Path:
    """Return the file in the operator's own data folder."""
    return user_data_path("dapiscope", appauthor=False) / "pixel-sizes.json"


class ToldScales:
    """µm per pixel by file or folder. A file that cannot be read or written forgets; it never stands in the way.

    Parameters
    ----------
    file : Path
        JSON: absolute path → µm per pixel, the latest last.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, path: Path) -> float | None:
        """Return what was told of `path`, else None."""
        return self._load().get(str(path.resolve()))

    def remember(self, path: Path, pixel_size_um: float) -> None:
        """Keep what was told of `path`."""
        told = self._load()
        name = str(path.resolve())
        if told.get(name) == pixel_size_um:
            return
        told.pop(name, None)
        told[name] = pixel_size_um
        temporary = self._file.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(dict(list(told.items())[-MOST_PLACES:]), indent=1), encoding="utf-8")
            temporary.replace(self._file)
        except OSError:
            return

    def _load(self) -> dict[str, float]:
        try:
            plain = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        low, high = PIXEL_SIZES_UM
        entries = plain.items() if isinstance(plain, dict) else ()
        return {key: float(um) for key, um in entries if isinstance(um, int | float) and low <= um <= high}
