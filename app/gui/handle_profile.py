"""The operator's line on the picture and the chart of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.events import Notice
from app.gui.line_tool import LineTool
from app.gui.panels.profile_chart import ProfileChart
from app.gui.profile import Profile
from app.gui.text import tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class ProfileActions:
    """Draws, measures and saves the line; made before the window is laid out, `connect`ed after."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.tool = LineTool()
        self.chart = ProfileChart()
        self.tool.changed.connect(self._changed)
        self.chart.export_asked.connect(self.export)

    def toggle(self, on: bool) -> None:
        """Show the line and its chart, or hide the line."""
        self.w.actions_by_id["profile"].setChecked(on)
        self.w.viewer.set_tool(self.tool if on else None)
        self.w.need_charts(on)
        if on:
            self.w.charts.setCurrentWidget(self.chart)
            self.tool.begin(self.w.viewer.placement)
        self.refresh()

    def refresh(self) -> None:
        """Measure anew on the frame that is shown; nothing is measured that cannot be seen."""
        on = self.w.viewer.tool is self.tool
        if not on:
            self.chart.show_line(None, None)
        elif self.chart.isVisible():
            if self.tool.line is None and self.w.viewer.placement is not None:
                self.tool.begin(self.w.viewer.placement)
                return
            self.chart.show_line(self.w.viewer.frame, self.tool.line)

    def _changed(self) -> None:
        self.w.viewer.update()
        self.refresh()

    def export(self) -> None:
        """Write the profile to a CSV file beside the other files."""
        profile, folder = self.chart.profile, self.w.folder
        if profile is None:
            self.w.notify(Notice("warning", tr("There is no line yet; press I and drag on the picture.")))
            return
        self.w.bridge.off_thread(
            lambda: write_profile(folder, profile), lambda done: self.w.files.saved(done, tr("Profile"))
        )


def write_profile(folder: Path, profile: Profile) -> Path:
    """Write distances and grey values to a new CSV file; return its path."""
    from app.recording.files import write_together
    from app.recording.tables import encode_csv

    header = ("distance_um" if profile.unit == "µm" else "distance_px", "grey_value")
    rows = [(f"{x:.4f}", f"{y:.3f}") for x, y in zip(profile.distance, profile.value, strict=True)]
    return write_together(folder, "profile", {".csv": lambda path: encode_csv(path, header, rows)})[".csv"]
