"""Settings, presets and journals that somebody made to hurt: one sentence, little memory, nothing touched.

Serial codecs are fuzzed in test_light_codecs and test_lumencor, image readers in test_images, test_replay and
test_zarr, model cards and ONNX files in test_model_card.
"""

import json
import tracemalloc

import numpy as np
import pytest
from fault_rig import plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import BadImageError, DapiscopeError, FileError, UsageError
from app.frame import Frame, Light
from app.gui.presets import read_presets
from app.recording import RunMetadata, find_unfinished, open_replay, recover
from app.recording.journal import PlaneRecord, encode_head, journal_path
from app.settings import MAX_CONFIG_BYTES, Settings, read_config, settings_from

FUZZ = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SECTIONS = sorted(Settings.model_fields)
KEYS = sorted(
    {key for name in SECTIONS for key in dir(getattr(Settings(), name)) if not key.startswith(("_", "model_"))}
)


@FUZZ
@given(st.dictionaries(st.sampled_from(SECTIONS) | st.text(max_size=8), VALUES, max_size=4))
def test_any_tree_is_settings_or_one_sentence(tree):
    try:
        made = settings_from(tree)
    except UsageError as error:
        assert "Traceback" not in str(error)
    else:
        assert made.light.channel in [channel.name for channel in made.channels]


@FUZZ
@given(
    st.sampled_from(["camera", "light", "optics", "snap", "segmentation"]),
    st.dictionaries(st.sampled_from(KEYS), VALUES),
)
def test_wrong_values_in_a_section_are_refused_and_right_ones_are_in_range(section, values):
    try:
        made = settings_from({section: values})
    except UsageError:
        return
    assert 0 < made.camera.exposure_ms <= 10_000
    assert 0 <= made.light.intensity <= 1
    assert made.light.watchdog_ms == 0 or made.light.watchdog_ms <= 60_000
    assert np.isfinite(made.optics.pixel_size_um())


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_a_configuration_or_one_sentence(tmp_path, data):
    path = tmp_path / "microscope.toml"
    path.write_bytes(data)
    try:
        settings_from(read_config(path))
    except UsageError as error:
        assert str(error)


@pytest.mark.parametrize(
    "data", [b"a = " + b"[" * 100_000, b"#" * (MAX_CONFIG_BYTES + 1), b"\xff\xfe", b"x = 1\nx = 2"]
)
def test_bombs_are_no_configuration(tmp_path, data):
    path = tmp_path / "microscope.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError) as error:
        read_config(path)
    assert len(str(error.value)) < 400


@FUZZ
@given(st.binary(max_size=300) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_presets_or_one_sentence(tmp_path, data):
    path = tmp_path / "presets.json"
    path.write_bytes(data)
    try:
        read_presets(path)
    except FileError as error:
        plain(str(error))


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"presets": ' + b"[" * 50_000, b" " * (5 << 20)])
def test_bombs_are_no_presets(tmp_path, data):
    path = tmp_path / "presets.json"
    path.write_bytes(data)
    with pytest.raises(FileError) as error:
        read_presets(path)
    plain(str(error.value))


def unfinished(folder, **changes):
    """A recording of one frame, never finished, whose journal lies as `changes` say."""
    path = folder / "r.ome.tif"
    pixels = np.zeros((8, 8), np.uint8)
    record = PlaneRecord.of(
        Frame(pixels, 0, 1.0, 1.7e9, 15.0, 0.0, "Mono8", 0.1, Light("405", 0.2, True, "")), 4096, None
    )
    path.write_bytes(bytes(4096) + pixels.tobytes())
    line = json.dumps({**json.loads(record.to_line()), **changes}).encode() + b"\n"
    journal_path(path).write_bytes(encode_head(RunMetadata(), 1.7e9) + line)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 10**9, "width": 10**9},
        {"offset": 1 << 62},
        {"offset": 0},
        {"height": -1},
        {"height": 8.5},
        {"pixel_format": "../../etc"},
        {"light": {"channel": 3}},
        {"exposure_end_s": 1e999},
        {"place": [1 << 80, 0]},
        {"name": "../../../etc/passwd"},
        {"source": "\u0000" * 50},
    ],
)
def test_a_lying_journal_costs_no_memory_and_writes_nowhere_else(tmp_path, changes):
    folder = tmp_path / "inside"
    folder.mkdir()
    path = unfinished(folder, **changes)
    tracemalloc.start()
    try:
        assert len(find_unfinished(folder)) == 1
        try:
            recover(path)
            if path.exists():
                with open_replay(path) as replay:
                    assert replay.length == 1
        except DapiscopeError as error:
            plain(str(error))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert [each.name for each in tmp_path.iterdir()] == ["inside"]
    assert {each.name for each in folder.iterdir()} <= {path.name, journal_path(path).name}


def test_an_honest_journal_is_recovered(tmp_path):
    path = unfinished(tmp_path)
    with pytest.raises(BadImageError):
        open_replay(path)
    assert recover(path).frames == 1
    with open_replay(path) as replay:
        assert replay.length == 1
