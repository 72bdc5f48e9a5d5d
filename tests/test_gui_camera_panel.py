"""What the camera panel says of the exposure, and the light panel of the box."""

import pytest

from app.events import CameraReady, LightReady, LightSeen
from app.gui.panels.camera import CameraPanel
from app.gui.panels.light import LightPanel
from app.hardware.base import CameraInfo, CameraLimits, LightInfo
from app.settings import DEFAULT_CHANNELS, CameraSettings

INFO = CameraInfo("sim", "Basler", "daA3840-45um", "1", True, 2.0)
LIMITS = CameraLimits((0.01, 10_000), (0, 48), (0.1, 44.9), (4, 3840), (4, 2160), (4, 4), ("Mono8", "Mono12"), (1, 2))


@pytest.mark.parametrize(("exposure_ms", "too_short"), [(15.0, True), (30.0, False)])
def test_an_exposure_too_short_for_a_clean_switch_is_said(qtbot, exposure_ms, too_short):
    panel = CameraPanel(CameraSettings())
    qtbot.addWidget(panel)
    panel.show_ready(CameraReady(INFO, LIMITS, CameraSettings(exposure_ms=exposure_ms), 22.3))
    assert ("clean switch" in panel.readout.text()) is too_short
    assert "22.3 ms" in panel.readout.text()


def test_who_the_box_is_says_nothing_of_what_shines(qtbot):
    panel = LightPanel(DEFAULT_CHANNELS, 0.25)
    qtbot.addWidget(panel)
    panel.show_seen(LightSeen("405", 0.25, True))
    panel.show_ready(LightReady(LightInfo("sim", "LED4", "1", "1.0", 4, ("A", "B", "C", "D"), True, True)))
    assert panel.seen.channel == "405"
    assert panel.buttons[0].lit
    assert "Dark" not in panel.state.text()
