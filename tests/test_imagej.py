"""Plain ImageJ opens what dapiscope writes: planes, scale and grey values, and as many ROIs as nuclei.

Needs Debian's ``imagej`` and ``xvfb``; ImageJ reads no OME-XML, so its scale comes from the TIFF tags.
"""

import shutil
import subprocess

import numpy as np
import pytest
from test_plan_runner import FOUR, carry_out, simulated

from app.frame import NUCLEUS_DTYPE, Frame, Light, Segmentation
from app.plan import make_plan
from app.recording import Recorder, RunMetadata, open_replay
from app.recording.export import export_all

needed = [name for name in ("imagej", "xvfb-run") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}")


def imagej(folder, macro):
    """Run a macro and return the lines it wrote."""
    result = folder / "result.txt"
    script = folder / "macro.ijm"
    script.write_text(macro.replace("RESULT", str(result)))
    command = ["xvfb-run", "-a", "imagej", "-b", str(script)]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=50, check=False)
    return result.read_text().split()


def test_a_recording_opens_as_a_stack_with_its_scale(tmp_path):
    recorder = Recorder(tmp_path / "r.ome.tif", RunMetadata(camera="test"))
    recorder.start()
    for i in range(5):
        pixels = np.full((48, 64), 100 * i + 7, np.uint16)
        recorder.put(Frame(pixels, i, 0.0, 1.7e9, 1.0, 0.0, "Mono12", 0.325, Light("405", 0.2, True, "")))
    path = recorder.close().path
    macro = f"""
    open("{path}"); setSlice(4); getPixelSize(unit, width, height);
    File.saveString(getWidth + " " + getHeight + " " + nSlices + " " + getPixel(5, 5) + " " + width + " " + unit,
    "RESULT");
    """
    width, height, slices, value, size, unit = imagej(tmp_path, macro)
    assert (width, height, slices, value) == ("64", "48", "5", "307")
    assert float(size) * {"cm": 1e4, "microns": 1.0, "µm": 1.0, "um": 1.0, "micron": 1.0}[unit] == pytest.approx(0.325)


def test_a_plan_opens_with_its_planes_in_the_order_taken_and_its_scale(tmp_path):
    settings = simulated((0, 0, 320, 240))
    plan = make_plan({"channels": FOUR, "time_plan": {"interval": 0, "loops": 2}}, settings)
    result, _ = carry_out(settings, plan, tmp_path)
    with open_replay(result.path) as replay:
        expected = [(int(frame.pixels[100, 150]), int(frame.pixels[7, 300])) for frame in replay.frames()]
    assert result.complete and len(set(expected)) == 8
    macro = f"""
    open("{result.path}"); getPixelSize(unit, width, height); text = "" + nSlices + " " + width + " " + unit;
    for (i = 1; i <= nSlices; i++) {{ setSlice(i); text = text + " " + getPixel(150, 100) + " " + getPixel(300, 7); }}
    File.saveString(text, "RESULT");
    """
    slices, size, unit, *values = imagej(tmp_path, macro)
    assert slices == "8" and list(zip(map(int, values[::2]), map(int, values[1::2]), strict=True)) == expected
    assert float(size) * {"cm": 1e4, "microns": 1.0, "µm": 1.0, "um": 1.0, "micron": 1.0}[unit] == pytest.approx(0.1)


def test_the_roi_set_opens_with_one_roi_a_nucleus_and_their_areas(tmp_path):
    labels = np.zeros((80, 120), np.int32)
    y, x = np.mgrid[:80, :120]
    for number, (cy, cx, r) in enumerate([(20, 20, 12), (50, 60, 20), (60, 110, 9)], start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= r * r] = number
    frame = Frame(np.zeros((240, 360), np.uint8), 0, 0.0, 1.7e9, None, None, "Mono8", None)
    nuclei = np.zeros(3, NUCLEUS_DTYPE)
    nuclei["label"] = [1, 2, 3]
    files = export_all(
        tmp_path, frame, Segmentation(frame, labels, (3.0, 3.0), nuclei, None, None, "given"), RunMetadata()
    )
    macro = f"""
    open("{files.image}"); roiManager("Open", "{files.rois}"); text = "" + roiManager("count");
    for (i = 0; i < roiManager("count"); i++) {{
      roiManager("select", i); getStatistics(area); text = text + " " + area;
    }}
    File.saveString(text, "RESULT");
    """
    count, *areas = imagej(tmp_path, macro)
    assert count == "3"
    np.testing.assert_allclose([float(area) for area in areas], np.bincount(labels.ravel())[1:] * 9, rtol=0.01)
