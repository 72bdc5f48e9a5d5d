"""Settings, and the configuration file of a microscope."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.settings
from app.errors import UsageError
from app.settings import Settings, read_config, settings_from

BOX = """
camera_id = "pylon"
light_id = "/dev/ttyUSB7"

[[channels]]
name = "385"
wavelength_nm = 385
line = 2
color = "#8c6bff"
stain = "Hoechst"
counts_nuclei = true

[[channels]]
name = "525"
wavelength_nm = 525
line = 0
color = "#5fe36b"

[optics]
magnification = 40

[light]
settle_ms = 12
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "microscope.toml"
    path.write_text(BOX)
    return path


def test_a_box_of_other_colours_is_configuration(config):
    settings = settings_from(read_config(config))
    assert [channel.name for channel in settings.channels] == ["385", "525"]
    assert settings.light.channel == "385"
    assert settings.light.settle_ms == 12
    assert settings.optics.pixel_size_um() == pytest.approx(0.05)
    assert settings.camera_id == "pylon"


@pytest.mark.parametrize(
    ("old", "new", "told"), [("line = 0", "line = 2", "line 2"), ('name = "525"', 'name = "385"', "name '385'")]
)
def test_two_channels_that_no_reading_can_tell_apart_are_refused(config, old, new, told):
    config.write_text(BOX.replace(old, new))
    with pytest.raises(UsageError, match=f"^Two channels have the {told}"):
        settings_from(read_config(config))


def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(app.settings, "user_config_path", lambda _name: tmp_path)
    assert settings_from(read_config()) == Settings()


def test_the_machines_own_file_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(app.settings, "user_config_path", lambda _name: tmp_path)
    (tmp_path / "dapiscope.toml").write_text('camera_id = "pylon:1234"')
    assert settings_from(read_config()).camera_id == "pylon:1234"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("camera_id = ", "TOML"),
        ("unknown = 1", "unknown"),
        ("[light]\nintensity = 7", "intensity"),
        ("[camera]\nexposure_ms = -1", "exposure-ms"),
        ('[light]\nchannel = "700"', "channel"),
        ("[[channels]]\nname = 'x'", "wavelength"),
        ("seed = -1", "seed"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_the_key(tmp_path, text, says):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        settings_from(read_config(path))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UsageError, match="check the path"):
        read_config(tmp_path / "none.toml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=8),
        lambda inner: (
            st.dictionaries(st.sampled_from([*Settings.model_fields, "x"]), inner, max_size=4)
            | st.lists(inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_no_tree_of_values_gets_past_validation_with_anything_but_a_sentence(tree):
    if not isinstance(tree, dict):
        return
    try:
        settings = settings_from(tree)
    except UsageError as error:
        assert str(error)
    else:
        assert isinstance(settings, Settings)
