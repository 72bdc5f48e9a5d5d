"""Take one frame of the DAPI channel, count the nuclei, and save image, labels and table.

Run it as ``python examples/snap_and_count.py OUT``; it uses the simulators until you name your own parts.
"""

import sys
from pathlib import Path

from app.api import open_microscope
from app.build import make_counter
from app.recording import RunMetadata, save_snapshot


def main(out: Path, camera: str = "sim", light: str = "sim") -> int:
    """Snap, count, save; return the number of nuclei."""
    counter = make_counter("accurate")
    with open_microscope(camera=camera, light=light) as microscope:
        frame = microscope.snap("405", exposure_ms=15, intensity=0.25)
        meta = RunMetadata.from_settings(
            microscope.settings, camera=microscope.camera, light=microscope.light,
            model_name=counter.name, model_sha256=counter.sha256,
        )  # fmt: skip
    found = counter.segment(frame, exact=True)
    files = save_snapshot(out, frame, found, meta)
    density = f"{found.density_per_mm2:.0f} per mm²" if found.density_per_mm2 is not None else "density unknown"
    trust = f"; do not trust it: {', '.join(found.flags)}" if found.flags else ""
    sys.stdout.write(f"{found.count} nuclei, {density}{trust}\n{files.image}\n")
    return found.count


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dapiscope-demo"))
