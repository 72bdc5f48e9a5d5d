"""Makes the pictures of the first ten minutes in docs/screenshots/first-run.

Run it as ``python docs/make_first_run.py``. The new user of the tests walks the path on screens of two sizes, with
letters of 100 and 200 %, under Xvfb where that is installed; each step of the small screen becomes a picture, and each
of the other three walks a sheet of all its steps.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
OUT = HERE / "screenshots" / "first-run"
TEST = HERE.parent / "tests" / "test_gui_new_user.py"
WALKS = ((1366, 768, 1.0), (1366, 768, 2.0), (3840, 2160, 1.0), (3840, 2160, 2.0))
SHEET_WIDTH, GAP = 2400, 8


def main() -> None:
    """Walk four times, and lay the pictures out."""
    with tempfile.TemporaryDirectory() as name:
        for width, height, letters in WALKS:
            folder = Path(name) / f"{width}x{height}-{letters * 100:.0f}"
            walk(width, height, letters, folder)
            if (width, height, letters) == WALKS[0]:
                shutil.rmtree(OUT, ignore_errors=True)
                shutil.copytree(folder, OUT)
            else:
                save(OUT / f"{folder.name}.jpg", sheet(sorted(folder.iterdir())))


def walk(width: int, height: int, letters: float, folder: Path) -> None:
    """Have the test walk on a screen of this size; its pictures go into `folder`."""
    environment = {**os.environ, "DAPISCOPE_SCREENSHOTS": str(folder), "QT_QPA_PLATFORM": "offscreen"}
    case = f"{TEST}::test_a_new_user_gets_from_start_to_report[{width}-{height}-{letters}]"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "prove or not prove", case]
    if xvfb := shutil.which("xvfb-run"):
        environment["QT_QPA_PLATFORM"] = "xcb"
        command = [xvfb, "-a", "-s", f"-screen 0 {width}x{height}x24", *command]
    subprocess.run(command, env=environment, check=True)


def sheet(pictures: list[Path], columns: int = 3) -> np.ndarray:
    """Return all steps of one walk, side by side, row by row."""
    width = (SHEET_WIDTH - (columns - 1) * GAP) // columns
    tiles = []
    for path in pictures:
        image = cv2.imread(str(path))
        height = round(image.shape[0] * width / image.shape[1])
        tiles.append(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    rows = -(-len(tiles) // columns)
    height = tiles[0].shape[0]
    out = np.full((rows * (height + GAP) - GAP, SHEET_WIDTH, 3), 40, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = index // columns * (height + GAP), index % columns * (width + GAP)
        out[y : y + height, x : x + width] = tile
    return out


def save(path: Path, image: np.ndarray) -> None:
    """Write a picture, and say so."""
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 78])
    print(path)  # noqa: T201 - a script for people


if __name__ == "__main__":
    main()
