"""Four channels, three times, as a useq-schema sequence; then read the file back plane by plane.

Run it as ``python examples/time_lapse.py OUT``.
"""

import sys
from pathlib import Path

from app.api import open_microscope, read_recording
from app.settings import CameraSettings, Settings

SEQUENCE = {
    "channels": [
        {"config": "405", "exposure": 10},
        {"config": "488", "exposure": 20},
        {"config": "532", "exposure": 20},
        {"config": "633", "exposure": 30},
    ],
    "time_plan": {"interval": 1.0, "loops": 3},
    "metadata": {"dapiscope": {"channels": {"405": {"intensity": 0.1}}}},
}


def main(out: Path, settings: Settings | None = None) -> list[tuple[str | None, float]]:
    """Run the plan, and return channel and moment of every frame in the file."""
    settings = settings or Settings(camera=CameraSettings(roi=(0, 0, 960, 540)))
    with open_microscope(settings=settings) as microscope:
        result = microscope.run_plan(SEQUENCE, out, told=lambda at: sys.stdout.write(f"{at.taken} of {at.total}\n"))
    if not result.complete:
        raise SystemExit(result.reason)
    with read_recording(result.path) as recording:
        frames = [(frame.light.channel, frame.unix_time_s) for frame in recording]
    for channel, moment in frames:
        sys.stdout.write(f"{moment - frames[0][1]:6.3f} s  {channel}\n")
    return frames


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dapiscope-demo"))
