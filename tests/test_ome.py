"""The OME-XML is valid by its schema, parses in ome-types, and makes nothing up."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.frame import Frame, Light
from app.recording import Recorder, RunMetadata
from app.recording.journal import PlaneRecord
from app.recording.ome import build_ome, read_map, read_planes
from app.recording.tiff import CLASSIC_LIMIT, build_tail, is_finished, pixels_per_cm
from app.settings import Settings

META = RunMetadata.from_settings(Settings(), camera="Camera", light="LED4", model_name="fast", model_sha256="00")
VIOLET, BLUE = Light("405", 0.25, True, ""), Light("488", 0.5, True, "")
UNCONFIRMED = Light("405", 0.25, False, "light just changed")


def plane(number=0, light=VIOLET, size=(4, 5), pixel_format="Mono12", pixel_size_um=0.1, place=None, **values):
    kind = np.uint8 if pixel_format == "Mono8" else np.uint16
    known = {"exposure_ms": 15.0, "gain_db": 2.0} | values
    frame = Frame(
        np.zeros(size, kind),
        number,
        number * 0.5,
        1.7e9 + number * 0.5,
        known["exposure_ms"],
        known["gain_db"],
        pixel_format,
        pixel_size_um,
        light,
        source="camera",
    )
    return PlaneRecord.of(frame, 4096 * (number + 1), place)


def document(records, meta=META, notes=None):
    xml = build_ome(records, meta, notes or {}, "run")
    # lxml cannot read text that declares an encoding.
    ome_types.validate_xml(xml.encode())
    return ome_types.from_xml(xml)


def test_a_stream_says_everything_that_is_known():
    ome = document([plane(i) for i in range(4)])
    pixels = ome.images[0].pixels
    assert (pixels.size_t, pixels.size_c, pixels.significant_bits, pixels.type.value) == (4, 1, 12, "uint16")
    assert (pixels.physical_size_x, pixels.physical_size_y, pixels.physical_size_x_unit.value) == (0.1, 0.1, "µm")
    assert [p.delta_t for p in pixels.planes] == [0, 0.5, 1, 1.5] and pixels.planes[0].exposure_time == 0.015
    channel = pixels.channels[0]
    assert (channel.name, channel.excitation_wavelength, channel.fluor) == ("405", 405, "DAPI")
    assert channel.emission_wavelength is None
    instrument = ome.instruments[0]
    assert instrument.detectors[0].model == "Camera" and instrument.light_emitting_diodes[0].model == "LED4"
    assert (instrument.objectives[0].nominal_magnification, instrument.objectives[0].lens_na) == (20, 0.4)


def test_level_and_binning_are_told_where_all_planes_share_them():
    channel = document([plane(0), plane(1)]).images[0].pixels.channels[0]
    assert channel.light_source_settings.attenuation == 0.75 and channel.detector_settings.binning.value == "1x1"
    three = replace(META, settings={"camera": {"binning": 3}})
    channel = document([plane(0), plane(1, light=replace(VIOLET, intensity=0.5))], three).images[0].pixels.channels[0]
    assert channel.light_source_settings.attenuation is None and channel.detector_settings.binning.value == "Other"
    for records, meta in (([plane(0), plane(1, size=(2, 2))], META), ([plane()], replace(META, settings={}))):
        for image in document(records, meta).images:
            assert image.pixels.channels[0].detector_settings.binning is None


def test_an_emission_wavelength_that_is_known_is_told():
    known = tuple(channel.model_copy(update={"emission_nm": 447.0}) for channel in META.channels)
    for meta in (replace(META, channels=known), RunMetadata.from_json(replace(META, channels=known).to_json())):
        (channel,) = document([plane()], meta).images[0].pixels.channels
        assert (channel.excitation_wavelength, channel.emission_wavelength) == (405, 447)
    # Of light that was not confirmed nothing is said.
    doubtful = plane(light=replace(VIOLET, confirmed=False))
    (channel,) = document([doubtful], replace(META, channels=known)).images[0].pixels.channels
    assert channel.emission_wavelength is None


def test_what_is_unknown_is_left_out():
    record = plane(pixel_size_um=None, exposure_ms=None, gain_db=None, light=Light())
    xml = build_ome([record], RunMetadata(), {}, "run")
    ome_types.validate_xml(xml.encode())
    for word in (
        "PhysicalSize",
        "ExposureTime",
        "Gain",
        "Instrument",
        "Experimenter",
        "Excitation",
        "Emission",
        "sample",
    ):
        assert word not in xml


@pytest.mark.parametrize(
    ("lights", "name", "wavelength"),
    [
        ([VIOLET, VIOLET], "405", 405),
        ([VIOLET, UNCONFIRMED], "405 (confirmed for 1 of 2 planes)", None),
        ([UNCONFIRMED, UNCONFIRMED], None, None),
        ([VIOLET, BLUE], "405 + 488", None),
        ([Light(None, 0, True, ""), Light(None, 0, True, "")], "dark", None),
    ],
)
def test_a_channel_is_what_was_confirmed(lights, name, wavelength):
    channel = document([plane(i, light) for i, light in enumerate(lights)]).images[0].pixels.channels[0]
    assert (channel.name, channel.excitation_wavelength) == (name, wavelength)


def test_a_plan_has_channels_and_times():
    places = [(t, c) for t in range(3) for c in range(2)]
    records = [plane(i, (VIOLET, BLUE)[c], place=(t, c)) for i, (t, c) in enumerate(places)]
    pixels = document(records).images[0].pixels
    assert (pixels.size_t, pixels.size_c) == (3, 2)
    assert [channel.name for channel in pixels.channels] == ["405", "488"]
    assert [(block.first_t, block.first_c, block.ifd) for block in pixels.tiff_data_blocks] == [
        (t, c, i) for i, (t, c) in enumerate(places)
    ]
    read = read_planes(build_ome(records, META, {}, "run"), 6)
    assert [info.light.channel for info in read] == ["405", "488"] * 3


def test_an_unfinished_plan_is_valid():
    ome = document(
        [plane(0, place=(0, 0)), plane(1, BLUE, place=(0, 1)), plane(2, place=(1, 0))], notes={"complete": False}
    )
    assert ome.images[0].pixels.size_t == 2 and len(ome.images[0].pixels.planes) == 3


def test_other_sizes_become_other_images(tmp_path):
    recorder = Recorder(tmp_path / "r.ome.tif", META)
    recorder.start()
    sizes = [(8, 9), (8, 9), (5, 6), (8, 9)]
    for i, size in enumerate(sizes):
        recorder.put(Frame(np.full(size, i, np.uint8), i, 0.0, 1.7e9, 1.0, 0.0, "Mono8", 0.1, VIOLET))
    path = recorder.close().path
    ome = ome_types.from_tiff(path)
    assert [(image.pixels.size_y, image.pixels.size_t) for image in ome.images] == [(8, 3), (5, 1)]
    with tifffile.TiffFile(path) as tif:
        assert [series.shape for series in tif.series] == [(3, 8, 9), (5, 6)]
        assert [int(image.max()) for image in tif.series[0].asarray()] == [0, 1, 3]


ANY_TEXT = st.text(max_size=20)


@settings(max_examples=40, deadline=None)
@given(sample=ANY_TEXT, operator=ANY_TEXT, camera=ANY_TEXT, light=ANY_TEXT, note=ANY_TEXT, reason=ANY_TEXT)
def test_any_text_gives_valid_xml(sample, operator, camera, light, note, reason):
    meta = RunMetadata(sample=sample, operator=operator, camera=camera, light=light, settings={"note": note})
    xml = build_ome([plane(light=Light("405", 0.1, False, reason))], meta, {"a note": note}, "run")
    ome_types.validate_xml(xml.encode("utf-8", "strict"))
    assert "software" in read_map(xml)


@settings(max_examples=100, deadline=None)
@given(
    pages=st.integers(0, 9),
    body=st.lists(
        st.sampled_from(
            [
                "<TiffData/>",
                '<TiffData IFD="-5" PlaneCount="3"/>',
                '<TiffData IFD="2" PlaneCount="99999999999" FirstT="-1"/>',
                '<Plane TheT="x" TheC="1e999" DeltaT="nan" ExposureTime="inf"/>',
                '<Plane TheT="0" TheC="0" TheZ="0" ExposureTimeUnit="parsec" ExposureTime="2"/>',
                '<Channel Name=""/>',
            ]
        ),
        max_size=6,
    ),
    sizes=st.tuples(*[st.sampled_from(["", "0", "-3", "1e30", "2", "junk"])] * 3),
    order=st.sampled_from(["XYCZT", "XYZTC", "XY", "", "ZZZZZ"]),
)
def test_hostile_xml_is_as_if_it_said_nothing(pages, body, sizes, order):
    attributes = " ".join(f'Size{axis}="{size}"' for axis, size in zip("ZCT", sizes, strict=True))
    xml = f'<OME><Image><Pixels DimensionOrder="{order}" {attributes}>{"".join(body)}</Pixels></Image></OME>'
    assert len(read_planes(xml, pages)) == pages


@pytest.mark.parametrize(
    "frames",
    ["", "[]", "{}", "null", '{"index":[1]}', json.dumps({"index": {"none": 1}}), json.dumps({"index": ["a", "b"]})],
)
def test_a_damaged_annotation_is_as_if_it_was_not_there(frames):
    xml = build_ome([plane(i) for i in range(2)], META, {}, "run")
    own = read_map(xml)["frames"]
    damaged = xml.replace(own.replace('"', "&quot;"), frames).replace(own, frames.replace('"', "&quot;"))
    assert damaged != xml
    assert [info.exposure_ms for info in read_planes(damaged, 2)] == [15.0, 15.0]
    assert len(read_planes(xml, 7)) == 7 and read_planes("no xml", 1)[0].index is None


@pytest.mark.parametrize("moment", [-1.0, 2.6e11, 1e20, 1e300])
def test_a_moment_that_no_calendar_has_is_none(moment):
    """An export of it, or a report, would end in a traceback."""
    xml = build_ome([plane(i) for i in range(2)], META, {}, "run")
    own = read_map(xml)["frames"]
    told = json.dumps(json.loads(own) | {"unix_time_s": [moment, 1.7e9]})
    damaged = xml.replace(own.replace('"', "&quot;"), told.replace('"', "&quot;")).replace(own, told)
    assert damaged != xml
    assert [info.unix_time_s for info in read_planes(damaged, 2)] == [1.7e9, 1.7e9 + 0.5]  # of its OME-XML
    others = re.sub("<StructuredAnnotations.*</StructuredAnnotations>", "", xml)
    others = re.sub('DeltaT="[^"]*"', f'DeltaT="{moment - 1.7e9}"', others)
    assert [info.unix_time_s for info in read_planes(others, 2)] == [None, None]


def test_of_a_set_of_files_only_the_own_planes_are_taken():
    blocks = "".join(
        f'<TiffData IFD="{i % 2}" FirstT="{i}" PlaneCount="1"><UUID FileName="{n}.tif">urn:uuid:{n}</UUID></TiffData>'
        for i, n in enumerate("aabb")
    )
    planes = "".join(f'<Plane TheZ="0" TheC="0" TheT="{i}" ExposureTime="{i + 1}"/>' for i in range(4))
    pixels = f'<Pixels DimensionOrder="XYCZT" SizeC="1" SizeZ="1" SizeT="4">{blocks}{planes}</Pixels>'
    for name, exposures in (("a", [1000, 2000]), ("b", [3000, 4000])):
        xml = f'<OME UUID="urn:uuid:{name}"><Image>{pixels}</Image></OME>'
        assert [info.exposure_ms for info in read_planes(xml, 2)] == exposures


def test_a_plan_and_an_unfinished_one_open_in_tifffile(tmp_path):
    for planes in (8, 5):
        recorder = Recorder(tmp_path / "plan.ome.tif", META)
        recorder.start()
        for i in range(planes):
            light = (VIOLET, BLUE)[i % 2]
            recorder.put(
                Frame(np.full((6, 7), i, np.uint16), i, 0.0, 1.7e9 + i, 9.0, 0.0, "Mono12", 0.1, light), (i // 2, i % 2)
            )
        path = recorder.close({"complete": planes == 8}).path
        with tifffile.TiffFile(path) as tif:
            assert tif.series[0].axes == "TCYX" and tif.series[0].shape == (-(-planes // 2), 2, 6, 7)
            assert tif.series[0].asarray()[:, :, 0, 0].ravel()[:planes].tolist() == list(range(planes))
            assert json.loads(read_map(tif.ome_metadata)["complete"]) is (planes == 8)


def test_an_entity_bomb_is_refused_at_once():
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "x" * 10}">' for i in range(12))
    xml = f"<!DOCTYPE OME [{bomb}]><OME><Image><Pixels>&e11;</Pixels></Image></OME>"
    assert [info.index for info in read_planes(xml, 1)] == [None] and read_map(xml) == {}


# ---------------------------------------------------------------------- the directories


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_the_resolution_is_exact_enough(size_um):
    top, bottom = pixels_per_cm(size_um)
    assert 0 < top < 1 << 32 and 0 < bottom < 1 << 32
    assert 1e4 * bottom / top == pytest.approx(size_um, rel=1e-6)


def test_an_unknown_resolution_has_no_unit():
    assert pixels_per_cm(None) == (1, 1) and pixels_per_cm(float("inf")) == (1, 1)


@pytest.mark.parametrize("end", [4096 * 3, CLASSIC_LIMIT, 1 << 33])
def test_large_files_are_bigtiff_and_small_ones_classic(tmp_path, end):
    path = tmp_path / "t.ome.tif"
    records = [plane(0, size=(30, 40)), plane(1, size=(30, 40))]
    tail = build_tail(records, end, build_ome(records, META, {}, "run"), "dapiscope µ")
    with path.open("wb") as file:  # sparse: takes no room
        file.write(tail.header)
        file.seek(tail.offset)
        file.write(tail.data)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff == (end >= CLASSIC_LIMIT) and len(tif.pages) == 2
        assert tif.series[0].shape == (2, 30, 40)
        page = tif.pages[0]
        assert page.tags["XResolution"].value[0] / page.tags["XResolution"].value[1] == pytest.approx(1e5)
        assert page.dataoffsets == (4096,) and page.databytecounts == (2400,)
        assert page.tags["Software"].value == "dapiscope ?"
    assert is_finished(tail.header) and not is_finished(b"") and not is_finished(bytes(16))


def test_the_schema_is_the_one_of_2016():
    schema = Path(ome_types.__file__).parent / "ome-2016-06.xsd"
    assert schema.exists() and "2016-06" in build_ome([plane()], META, {}, "run")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([VIOLET, BLUE, UNCONFIRMED, Light()]), min_size=1, max_size=12))
def test_the_light_of_every_plane_comes_back(lights):
    xml = build_ome([plane(i, light) for i, light in enumerate(lights)], META, {}, "run")
    assert [info.light for info in read_planes(xml, len(lights))] == lights
