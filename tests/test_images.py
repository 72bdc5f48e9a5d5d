"""Reading still images: what is right is read exactly, what is wrong is one clear sentence and nothing on stderr."""

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import BadImageError
from app.images import expand_paths, read_frame, read_image, read_labels
from app.recording import open_replay

RAMP8 = np.arange(12 * 17, dtype=np.uint8).reshape(12, 17)
RAMP16 = (np.arange(12 * 17, dtype=np.uint16) * 321).reshape(12, 17)


def png_header(width, height, depth=8, kind=0):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("image", [RAMP8, RAMP16], ids=["8 bit", "16 bit"])
def test_png_is_read_exactly(tmp_path, image):
    got = read_image(write(tmp_path / "a.png", imagecodecs.png_encode(image)))
    np.testing.assert_array_equal(got.pixels, image)
    assert got.pixels.dtype == image.dtype
    assert not got.pixels.flags.writeable
    assert got.pixel_size_um is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
def test_tiff_is_read_exactly(tmp_path, order, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RAMP16, byteorder=order, compression=compression)
    got = read_image(path)
    np.testing.assert_array_equal(got.pixels, RAMP16)
    assert got.pixels.dtype == np.uint16
    assert got.pixel_format == "Mono16"


def test_jpeg_is_read_about(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    got = read_image(write(tmp_path / "a.jpg", imagecodecs.jpeg8_encode(smooth, level=95)))
    assert np.abs(got.pixels.astype(int) - smooth).max() <= 6


def test_rgb_becomes_the_largest_channel(tmp_path):
    rgb = np.zeros((5, 6, 3), np.uint8)
    rgb[..., 2] = 200
    rgb[0, 0] = (9, 250, 3)
    for name, data in {"a.png": imagecodecs.png_encode(rgb)}.items():
        got = read_image(write(tmp_path / name, data))
        assert got.pixels[1, 1] == 200
        assert got.pixels[0, 0] == 250
        assert "RGB" in got.note
    tifffile.imwrite(tmp_path / "b.tif", rgb, photometric="rgb")
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif").pixels, rgb.max(axis=-1))
    tifffile.imwrite(tmp_path / "c.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "c.tif").pixels, rgb.max(axis=-1))


def test_alpha_is_ignored(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 3] = 255
    assert read_image(write(tmp_path / "a.png", imagecodecs.png_encode(rgba))).pixels.max() == 0


def test_palette_tiff_is_read_through_its_palette(tmp_path):
    palette = np.zeros((3, 256), np.uint16)
    palette[1] = np.arange(256)[::-1] * 257
    tifffile.imwrite(tmp_path / "p.tif", RAMP8, photometric="palette", colormap=palette)
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif").pixels, 255 - RAMP8)


def test_white_is_zero_tiff_is_inverted(tmp_path):
    tifffile.imwrite(tmp_path / "w.tif", RAMP8, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "w.tif").pixels, 255 - RAMP8)


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_white_is_zero_is_inverted_at_any_depth(tmp_path, bits):
    """Written by hand: the rows are packed, the most significant bit first."""
    values = (np.arange(64, dtype=np.uint16).reshape(4, 16) * 61) & ((1 << bits) - 1)
    packed = np.packbits((values[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)).tobytes()
    tags = {256: 16, 257: 4, 258: bits, 259: 1, 262: 0, 273: 122, 277: 1, 278: 4, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    whole = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    assert len(whole) == 122
    (tmp_path / "w.tif").write_bytes(whole + packed)
    expected = (1 - values) * 255 if bits == 1 else (1 << bits) - 1 - values
    assert np.array_equal(read_image(tmp_path / "w.tif").pixels, expected)
    with open_replay(tmp_path / "w.tif") as replay:
        assert np.array_equal(replay.frame(0).pixels, expected)


def test_stack_gives_its_first_plane(tmp_path):
    stack = np.stack([RAMP16, RAMP16 // 2, RAMP16 // 3])
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack")
    got = read_image(tmp_path / "s.tif")
    np.testing.assert_array_equal(got.pixels, RAMP16)
    assert got.planes == 3
    assert got.note == "first of 3 planes"


@pytest.mark.parametrize("imagej", [True, False])
def test_planes_behind_a_single_directory_are_told_too(tmp_path, imagej):
    """As ImageJ writes large stacks."""
    stack = np.stack([RAMP16, RAMP16 // 2, RAMP16 // 3])
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=imagej, truncate=True, photometric="minisblack")
    got = read_image(tmp_path / "s.tif")
    np.testing.assert_array_equal(got.pixels, RAMP16)
    assert (got.planes, got.note) == (3, "first of 3 planes")


@pytest.mark.parametrize("order", ["<", ">"])
def test_twelve_bit_data_behind_a_single_directory_is_seen(tmp_path, order):
    """The full scale tells which pixels are saturated."""
    stack = np.stack([RAMP16 // 16, np.full_like(RAMP16, 4095), RAMP16])
    for name, single in (("pages.tif", False), ("single.tif", True)):
        tifffile.imwrite(tmp_path / name, stack, imagej=True, byteorder=order, truncate=single)
        with open_replay(tmp_path / name) as replay:
            frames = list(replay.frames())
        assert [frame.pixel_format for frame in frames] == ["Mono12", "Mono12", "Mono16"]
        assert all(np.array_equal(frame.pixels, plane) for frame, plane in zip(frames, stack, strict=True))


def test_ome_tiff_gives_pixel_size_and_bits(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 325.0, "PhysicalSizeXUnit": "nm", "SignificantBits": 12}
    tifffile.imwrite(tmp_path / "o.ome.tif", RAMP16 // 64, metadata=metadata)
    got = read_image(tmp_path / "o.ome.tif")
    assert got.pixel_size_um == pytest.approx(0.325)
    assert got.pixel_format == "Mono12"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"PhysicalSizeX": 0.3, "PhysicalSizeY": 0.6}, None),
        ({"PhysicalSizeX": 0.3, "PhysicalSizeY": 300.0, "PhysicalSizeYUnit": "nm"}, 0.3),
        ({"PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3001}, 0.3),
    ],
)
def test_pixels_that_are_not_square_have_no_size(tmp_path, metadata, expected):
    path = tmp_path / "o.ome.tif"
    tifffile.imwrite(path, RAMP16, metadata={"axes": "YX"} | metadata, resolution=(30_000, 30_000), resolutionunit=3)
    got = read_image(path)
    assert got.pixel_size_um == expected
    assert got.note == ("" if expected else "pixels of 0.3 by 0.6 µm, not square: their size is left out")
    with open_replay(path) as replay:
        assert (replay.info.pixel_size_um, replay.frame(0).pixel_size_um) == (expected, expected)


def test_imagej_s_and_plain_resolutions_that_differ_are_no_size_either(tmp_path):
    for name, more in (("i.tif", {"imagej": True, "metadata": {"unit": "um"}}), ("p.tif", {"resolutionunit": 3})):
        resolution = (2.0, 4.0) if name == "i.tif" else (20_000, 40_000)
        tifffile.imwrite(tmp_path / name, RAMP16, resolution=resolution, **more)
        got = read_image(tmp_path / name)
        assert got.pixel_size_um is None and got.note.startswith("pixels of 0.5 by 0.25 µm")


def test_imagej_tiff_gives_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "i.tif", RAMP16, imagej=True, resolution=(2.0, 2.0), metadata={"unit": "um"})
    assert read_image(tmp_path / "i.tif").pixel_size_um == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [((100_000, 100_000), "CENTIMETER", 0.1), ((72, 72), "INCH", None), ((2, 1), "NONE", None)],
)
def test_plain_resolution_counts_only_where_it_is_a_microscopes(tmp_path, resolution, unit, expected):
    tifffile.imwrite(tmp_path / "r.tif", RAMP8, resolution=resolution, resolutionunit=unit)
    size = read_image(tmp_path / "r.tif").pixel_size_um
    assert size == (pytest.approx(expected) if expected else None)


@pytest.mark.parametrize(
    ("kind", "stored", "expected"),
    [
        ("f", struct.pack("<f", 20_000), 0.5),
        ("d", struct.pack("<d", 20_000), 0.5),
        ("I", struct.pack("<I", 20_000), 0.5),
        ("f", struct.pack("<f", float("nan")), None),
    ],
)
def test_a_resolution_of_another_kind_of_number_costs_no_image(tmp_path, kind, stored, expected):
    path = tmp_path / "r.tif"
    tifffile.imwrite(path, RAMP8, resolution=(3, 3), resolutionunit="CENTIMETER")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        tags = [tif.pages[0].tags[name] for name in ("XResolution", "YResolution")]
    for tag in tags:
        struct.pack_into("<HI", data, tag.offset + 2, {"f": 11, "d": 12, "I": 4}[kind], 1)
        place = tag.valueoffset if len(stored) == 8 else tag.offset + 8
        data[place : place + len(stored)] = stored
    path.write_bytes(data)
    got = read_image(path)
    np.testing.assert_array_equal(got.pixels, RAMP8)
    assert got.pixel_size_um == expected


def test_twelve_bit_data_in_sixteen_is_seen(tmp_path):
    tifffile.imwrite(tmp_path / "t.tif", np.full((4, 4), 4095, np.uint16))
    assert read_image(tmp_path / "t.tif").pixel_format == "Mono12"


@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.int32])
def test_wide_integers_within_sixteen_bits_are_read(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "w.tif", np.array([[0, 32767]], dtype))
    assert read_image(tmp_path / "w.tif").pixels.tolist() == [[0, 32767]]


def test_one_pixel_is_an_image(tmp_path):
    assert read_image(write(tmp_path / "1.png", imagecodecs.png_encode(np.zeros((1, 1), np.uint8)))).pixels.shape == (
        1,
        1,
    )


def bad_files(folder: Path) -> dict[str, Path]:
    whole = folder / "whole.tif"
    tifffile.imwrite(whole, np.random.default_rng(0).integers(0, 4000, (64, 64), dtype=np.uint16))
    data = whole.read_bytes()
    deflated = folder / "deflated.tif"
    tifffile.imwrite(deflated, RAMP16, compression="zlib")
    packed = bytearray(deflated.read_bytes())
    with tifffile.TiffFile(deflated) as tif:
        at = tif.pages[0].dataoffsets[0]
    packed[at : at + 12] = b"not deflated"
    jpeg = imagecodecs.jpeg8_encode(np.random.default_rng(1).integers(0, 255, (80, 80), dtype=np.uint8))
    png = imagecodecs.png_encode(RAMP16)
    huge_jpeg = bytearray(imagecodecs.jpeg8_encode(RAMP8))
    sof = huge_jpeg.index(b"\xff\xc0")
    huge_jpeg[sof + 5 : sof + 9] = struct.pack(">HH", 20_000, 20_000)
    tifffile.imwrite(folder / "f.tif", np.zeros((4, 4), np.float32))
    tifffile.imwrite(folder / "neg.tif", np.array([[-1, 5]], np.int16))
    tifffile.imwrite(folder / "ht.tif", np.zeros((1, 1), np.uint8))
    huge_tiff = bytearray((folder / "ht.tif").read_bytes())
    with tifffile.TiffFile(folder / "ht.tif") as tif:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            entry = tif.pages[0].tags[tag]
            huge_tiff[entry.valueoffset : entry.valueoffset + 2] = struct.pack("<H", 20_000)
    return {
        "missing": folder / "absent.png",
        "folder": folder,
        "empty": write(folder / "empty.png", b""),
        "text": write(folder / "text.png", b"hello, I am a text file\n" * 9),
        "truncated tiff": write(folder / "cut.tif", data[: len(data) // 2]),
        "tiff of 10 bytes": write(folder / "ten.tif", data[:10]),
        "broken deflate": write(folder / "broken.tif", bytes(packed)),
        "truncated png": write(folder / "cut.png", png[: len(png) // 2]),
        "png signature only": write(folder / "sig.png", png[:8]),
        "truncated jpeg": write(folder / "cut.jpg", jpeg[: len(jpeg) // 2]),
        "huge png claim": write(folder / "huge.png", png_header(20_000, 20_000) + bytes(967)),
        "endless png claim": write(folder / "endless.png", png_header(2**31 - 1, 2**31 - 1) + bytes(967)),
        "huge jpeg claim": write(folder / "huge.jpg", bytes(huge_jpeg) + bytes(300)),
        "huge tiff claim": write(folder / "huge.tif", bytes(huge_tiff).ljust(1000, b"\0")),
        "float": folder / "f.tif",
        "negative": folder / "neg.tif",
        "name with a null": folder / "a\0.png",
    }


BAD = (
    "missing", "folder", "empty", "text", "truncated tiff", "tiff of 10 bytes", "broken deflate", "truncated png",
    "png signature only", "truncated jpeg", "huge png claim", "endless png claim", "huge jpeg claim",
    "huge tiff claim", "float", "negative", "name with a null",
)  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_one_sentence(tmp_path, capfd, case):
    path = bad_files(tmp_path)[case]
    with pytest.raises(BadImageError) as caught:
        read_image(path)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")


def test_every_bad_file_is_tried(tmp_path):
    assert tuple(bad_files(tmp_path)) == BAD


@given(cut=st.integers(0, 700), flips=st.lists(st.tuples(st.integers(0, 699), st.integers(0, 255)), max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", ["png", "tif", "jpg"])
def test_damage_of_any_kind_gives_an_image_or_a_sentence(tmp_path, capfd, kind, cut, flips):
    path = tmp_path / f"x.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, RAMP16, compression="zlib")
        data = bytearray(path.read_bytes())
    else:
        data = bytearray(imagecodecs.png_encode(RAMP16) if kind == "png" else imagecodecs.jpeg8_encode(RAMP8))
    for at, value in flips:
        data[at % len(data)] = value
    path.write_bytes(bytes(data[:cut] if cut < 600 else data))
    try:
        assert read_image(path).pixels.ndim == 2
    except BadImageError as error:
        assert "\n" not in str(error)
    assert capfd.readouterr() == ("", "")


def test_frame_of_a_file_knows_its_name(tmp_path):
    path = write(tmp_path / "a.png", imagecodecs.png_encode(RAMP8))
    frame = read_frame(path, 3)
    assert (frame.name, frame.index, frame.pixel_format, frame.white) == ("a.png", 3, "Mono8", 255)
    assert not frame.light.confirmed


def test_labels_keep_their_numbers(tmp_path):
    labels = np.array([[0, 70_000], [3, 1]], np.int32)
    tifffile.imwrite(tmp_path / "l.tif", labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "l.tif"), labels)
    tifffile.imwrite(tmp_path / "f.tif", labels.astype(np.float32))
    with pytest.raises(BadImageError, match="label image"):
        read_labels(tmp_path / "f.tif")


def test_folders_expand_in_name_order(tmp_path):
    own = ("a_labels.tif", "a_overlay.png", "a_labels-2.tif", "a_overlay-12.png")
    for name in ("b.PNG", "a.tif", "notes.txt", ".hidden.png", *own):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub.png").mkdir()
    other = tmp_path / "elsewhere.bin"
    assert expand_paths([other, tmp_path]) == [other, tmp_path / "a.tif", tmp_path / "b.PNG"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadImageError, match="no PNG"):
        expand_paths([tmp_path / "empty"])
