"""Count the nuclei in every frame of a recording, stack, film or folder.

Run it as ``python examples/count_a_recording.py PATH [UM_PER_PIXEL]``.
"""

import sys
from pathlib import Path

from app.api import read_recording, segment


def main(path: Path, pixel_size_um: float | None = None) -> list[int]:
    """Return the counts of the frames whose light was confirmed and shows nuclei, or of which no light is known."""
    counts = []
    with read_recording(path, pixel_size_um=pixel_size_um) as recording:
        for frame in recording:
            if not recording.shows_nuclei(frame):
                continue
            found = segment(frame, pixel_size_um="auto" if frame.pixel_size_um is None else None, model="fast")
            counts.append(found.count)
            sys.stdout.write(f"frame {frame.index}: {found.count} nuclei {' '.join(found.flags)}\n")
    return counts


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else None)
