"""One image of 20,000×20,000 pixels: all of its nuclei, in less than 2 GB of memory."""

import csv
import logging
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

log = logging.getLogger(__name__)

SIDE = 20_000
MOST_BYTES = 2e9

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere peak memory is told in other units"),
]


def patch(side):
    """Return 4×4 nuclei, 8 bits; nothing of them reaches an edge, so that patches can lie side by side."""
    rng = np.random.default_rng(0)
    image, pitch = np.full((side, side), 15.0, np.float32), side / 4
    for y, x in np.ndindex(4, 4):
        centre = tuple(round((n + 0.5 + rng.uniform(-0.1, 0.1)) * pitch) for n in (x, y))
        cv2.circle(image, centre, round(pitch * rng.uniform(0.15, 0.17)), float(rng.uniform(90, 170)), -1)
    image = cv2.GaussianBlur(image, (0, 0), side / 250) + rng.normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("pixel_size_um", "patches"), [(0.65, 80), (0.13, 16)])
def test_a_very_large_image_is_counted_within_2_gb(tmp_path, pixel_size_um, patches):
    image = np.tile(patch(SIDE // patches), (patches, patches))
    tifffile.imwrite(tmp_path / "large.tif", image, compression="zlib", tile=(512, 512))
    del image
    command = [sys.executable, "-m", "app", "segment", str(tmp_path / "large.tif"), "--out", str(tmp_path / "out")]
    command += ["--model", "fast", "--pixel-size-um", str(pixel_size_um)]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent) as batch:
        _, status, used = os.wait4(batch.pid, 0)
        batch.returncode = os.waitstatus_to_exitcode(status)
    log.info("%.2f GB at most, %.0f s of CPU time", used.ru_maxrss * 1024 / 1e9, used.ru_utime + used.ru_stime)
    assert batch.returncode == 0 and used.ru_maxrss * 1024 < MOST_BYTES
    with (tmp_path / "out" / "counts.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert abs(int(row["count"]) - 16 * patches**2) <= 0.001 * 16 * patches**2
    with tifffile.TiffFile(tmp_path / "out" / "large_labels.tif") as labels:
        assert labels.pages[0].shape == (SIDE, SIDE)
