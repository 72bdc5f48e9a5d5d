"""What somebody else needs to understand a problem: versions, settings, messages, the log; a picture only if asked."""

import json
import logging
import platform
import zipfile
from collections import deque
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LINES = 5000
"""So many lines of the log are kept."""


class LogKeeper(logging.Handler):
    """Keeps the newest lines of the log in memory."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[str] = deque(maxlen=LINES)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(self.format(record))

    def text(self) -> str:
        """Return the log without the name of the home folder, which is a person's name."""
        return "\n".join(list(self._lines)).replace(str(Path.home()), "~") + "\n"

    def listen(self) -> None:
        """Begin to keep what the program says to its log; idempotent."""
        logger = logging.getLogger("app")
        if self not in logger.handlers:
            logger.addHandler(self)
            logger.setLevel(logging.INFO)


LOG = LogKeeper()


def write_problem_report(folder: Path, facts: dict[str, Any], log: str, picture: bytes | None = None) -> Path:
    """Write a new zip file: ``report.json``, ``log.txt``, and ``picture.png`` where there is one. Return its path."""
    path = free_name(folder, "dapiscope-report", ".zip")
    text = json.dumps({"versions": versions(), **facts}, indent=2, ensure_ascii=False).replace(str(Path.home()), "~")
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("report.json", text)
        whole.writestr("log.txt", log)
        if picture is not None:
            whole.writestr("picture.png", picture)
    return path


def system() -> dict[str, str]:
    """Return what the program runs on."""
    return {"platform": platform.platform(), "python": platform.python_version()}


def versions() -> dict[str, str]:
    """Return the versions of what matters; a package that is not installed is told so."""
    names = ("dapiscope", "PySide6_Essentials", "pypylon", "onnxruntime", "numpy", "opencv-python-headless", "tifffile")
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """Return a path in `folder` that does not exist yet: ``stem``, ``stem-2`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    path, n = folder / f"{stem}{suffix}", 1
    while path.exists():
        n += 1
        path = folder / f"{stem}-{n}{suffix}"
    return path
