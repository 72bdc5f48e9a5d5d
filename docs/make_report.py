"""Makes an example of the session report from the simulators, and its picture with a headless Chromium.

Run it as ``python docs/make_report.py``; the report goes to --out, the picture to docs/screenshots/report.png.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

from app.build import make_counter
from app.inference.overlay import render_overlay, to_8bit
from app.recording import RunMetadata, open_replay
from app.recording.report import CountPoint, SessionReport, write_report

HERE = Path(__file__).parent / "screenshots"


def main() -> None:
    """Record a few seconds, count them, write the report, take its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dapiscope-demo"))
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "app", "live", "--camera", "sim", "--light", "sim", "--headless"]
        command += ["--seconds", str(given.seconds), "--fps", "5", "--out", name]
        subprocess.run(command, check=True)
        path = write_report(given.out / "report.html", report_of(Path(name) / "recording.ome.tif"))
    take_picture(path, HERE / "report.png")


def report_of(recording: Path) -> SessionReport:
    """Count every confirmed frame of a recording and tell of it."""
    counter = make_counter("fast")  # the model that the recording names
    counts, last = [], None
    with open_replay(recording) as replay:
        meta = RunMetadata.from_entries(replay.info.meta)
        moments = [frame.unix_time_s for frame in replay.frames()]
        for frame in replay.frames():
            if frame.light.confirmed:
                last = counter.segment(frame)
                fit = not last.flags
                counts.append(CountPoint(frame.unix_time_s - moments[0], last.count, last.interval, fit))
        losses = {"camera": int(replay.info.meta.get("lost_camera", 0))}
    pictures = []
    if last is not None:
        # Drawn after it is made small, or the outlines would vanish.
        small = cv2.resize(to_8bit(last.frame.pixels), (960, 540), interpolation=cv2.INTER_AREA)
        pictures.append(("The last counted frame, nuclei outlined", render_overlay(small, last.labels)))
    return SessionReport(
        meta,
        moments[0],
        moments[-1],
        counts,
        {"recorded": len(moments), "counted": len(counts), "light not confirmed": len(moments) - len(counts)},
        losses,
        pictures=pictures,
        files=[recording],
        provider=counter.provider_used,
        notes=["Made from the simulated camera and light source: no sample was imaged."],
    )


def take_picture(page: Path, picture: Path) -> None:
    """Open the page in Chromium without a network and save what it shows."""
    browser = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("There is no Chromium here: install it to take the picture.")
    picture.parent.mkdir(exist_ok=True)
    command = [browser, "--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1000,1500"]
    # A proxy that is not there: whatever the page would ask for could not come.
    command += ["--proxy-server=127.0.0.1:9", f"--screenshot={picture}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
