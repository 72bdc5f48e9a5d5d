"""A plan's OME-TIFF and OME-Zarr as other programs' libraries see them: yaozarrs, ome-zarr and bioio.

Needs the extra ``readers``, which `make prove` installs.
"""

import numpy as np
import ome_types
import pytest
from test_plan_runner import FOUR, simulated

from app.build import make_bench
from app.clock import SystemClock
from app.plan import make_plan
from app.plan_runner import PlanRunner
from app.recording import RunMetadata
from app.recording.zarr_follower import ZarrFollower

for name in ("zarr", "ome_zarr", "bioio", "bioio_ome_zarr", "bioio_ome_tiff"):
    pytest.importorskip(name, reason=f"{name} of the extra readers is not installed")
yaozarrs = pytest.importorskip("yaozarrs", reason="the validator yaozarrs is not installed")

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),  # what those libraries do is theirs
]
NAMES = ["633", "532", "488", "405"]


@pytest.fixture(scope="module", params=[(2, (0, 0, 1280, 960)), (20, None)], ids=["small", "full size"])
def plan(request, tmp_path_factory):
    """Return (OME-TIFF, OME-Zarr written behind it, times, shape) of a plan of four channels on the simulators."""
    times, roi = request.param
    settings = simulated(roi)
    sequence = {"channels": FOUR, "time_plan": {"interval": 2 if roi is None else 0.4, "loops": times}}
    bench = make_bench(settings)
    with ZarrFollower() as follower:
        try:
            bench.connect(settings)
            meta = RunMetadata.from_settings(settings, camera=bench.camera.info.title, light=bench.light_info.title)
            runner = PlanRunner(make_plan(sequence, settings), bench.snap, SystemClock())
            result = runner.run(tmp_path_factory.mktemp("plan"), meta, settings, started=follower.start)
        finally:
            bench.release_camera()
            assert bench.close_light()
        assert result.complete and result.unconfirmed == 0
        return result.path, follower.finish(result.path), times, (960, 1280) if roi else (2160, 3840)


def test_the_validator_accepts_it(plan):
    _, image, times, shape = plan
    yaozarrs.validate_zarr_store(str(image))
    xml = (image / "OME" / "METADATA.ome.xml").read_bytes()
    ome_types.validate_xml(xml)
    pixels = ome_types.from_xml(xml).images[0].pixels
    assert (pixels.size_t, pixels.size_c, pixels.size_y, pixels.size_x) == (times, 4, *shape)
    assert [channel.name for channel in pixels.channels] == NAMES and len(pixels.planes) == 4 * times


def test_ome_zarr_reads_its_levels_channels_and_scale(plan):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    _, image, times, (height, width) = plan
    (node,) = Reader(parse_url(str(image)))()
    halves = [(height, width)]
    while max(halves[-1]) > 1024:
        halves.append(tuple((side + 1) // 2 for side in halves[-1]))
    assert [level.shape for level in node.data] == [(times, 4, 1, *half) for half in halves]
    assert node.metadata["channel_names"] == NAMES
    assert node.metadata["coordinateTransformations"][0][0]["scale"][2:] == pytest.approx([1.0, 0.1, 0.1])


def test_bioio_reads_the_same_of_both(plan):
    from bioio import BioImage

    recording, image, times, shape = plan
    one, other = BioImage(str(recording)), BioImage(str(image))
    for each in (one, other):
        assert each.dims.shape == (times, 4, 1, *shape) and [str(name) for name in each.channel_names] == NAMES
        assert (each.physical_pixel_sizes.Y, each.physical_pixel_sizes.X) == pytest.approx((0.1, 0.1))
    for t in {0, times // 2, times - 1}:
        for c in range(4):
            pixels = [np.asarray(each.get_image_data("YX", T=t, C=c)) for each in (one, other)]
            np.testing.assert_array_equal(*pixels)
            assert pixels[0].max() > pixels[0].min()
