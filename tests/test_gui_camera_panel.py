"""What the camera panel says of the exposure."""

import pytest

from app.events import CameraReady
from app.gui.panels.camera import CameraPanel
from app.hardware.base import CameraInfo, CameraLimits
from app.settings import CameraSettings

INFO = CameraInfo("sim", "Basler", "daA3840-45um", "1", True, 2.0)
LIMITS = CameraLimits((0.01, 10_000), (0, 48), (0.1, 44.9), (4, 3840), (4, 2160), (4, 4), ("Mono8", "Mono12"), (1, 2))


@pytest.mark.parametrize(("exposure_ms", "too_short"), [(15.0, True), (30.0, False)])
def test_an_exposure_too_short_for_a_clean_switch_is_said(qtbot, exposure_ms, too_short):
    panel = CameraPanel(CameraSettings())
    qtbot.addWidget(panel)
    panel.show_ready(CameraReady(INFO, LIMITS, CameraSettings(exposure_ms=exposure_ms), 22.3))
    assert ("clean switch" in panel.readout.text()) is too_short
    assert "22.3 ms" in panel.readout.text()
