"""Makes an example of the session report from the simulators, and its picture with a headless Chromium.

Run it as ``python docs/make_report.py``; the report goes to --out, the picture to docs/screenshots/report.png.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.recording.report import write_report
from app.session_report import report_of

HERE = Path(__file__).parent / "screenshots"


def main() -> None:
    """Count and record a few seconds, take a snapshot, write the report of the folder, take its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dapiscope-demo"))
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "app", "live", "--camera", "sim", "--light", "sim", "--headless"]
        command += ["--seconds", str(given.seconds), "--fps", "5", "--out", name]
        subprocess.run(command, check=True)
        subprocess.run([sys.executable, "-m", "app", "snap", "--out", name], check=True)
        path = write_report(given.out / "report.html", report_of(Path(name)))
    take_picture(path, HERE / "report.png")


def take_picture(page: Path, picture: Path) -> None:
    """Open the page in Chromium without a network and save what it shows."""
    browser = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("There is no Chromium here: install it to take the picture.")
    picture.parent.mkdir(exist_ok=True)
    command = [browser, "--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1000,2950"]
    # A proxy that is not there: whatever the page would ask for could not come.
    command += ["--proxy-server=127.0.0.1:9", f"--screenshot={picture}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
