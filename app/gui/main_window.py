"""Arranges the picture and its panels, and turns what the operator does into the session's commands. No logic."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.events import Notice, State
from app.gui.actions import ACTIONS, MENUS, make_actions
from app.gui.bridge import Bridge
from app.gui.closing import Closing
from app.gui.handle_calibration import CalibrationActions
from app.gui.handle_compare import CompareActions
from app.gui.handle_correct import CORRECT_BUTTONS, CorrectActions
from app.gui.handle_exports import ExportActions
from app.gui.handle_files import FileActions, model_names
from app.gui.handle_layers import LayerActions
from app.gui.handle_microscope import MicroscopeActions, ReplayActions
from app.gui.handle_plan import PlanActions
from app.gui.handle_profile import ProfileActions
from app.gui.handle_start import StartActions
from app.gui.handle_tools import ToolActions
from app.gui.handle_view import ViewActions
from app.gui.icons import icon, show_icon
from app.gui.nuclei_table import NucleiTable
from app.gui.overlay_paint import OverlayStyle, color_by_of
from app.gui.panels.camera import CameraPanel
from app.gui.panels.charts import Charts
from app.gui.panels.counts import CountsPanel
from app.gui.panels.focus_panel import FocusPanel
from app.gui.panels.histogram import Histogram
from app.gui.panels.light import LightPanel
from app.gui.panels.notices import MessageList, ToastStack
from app.gui.panels.parts import ESCAPE, EnterMovesOn, Section
from app.gui.panels.replay_bar import ReplayBar
from app.gui.panels.sample import SamplePanel
from app.gui.panels.segmentation import SegmentationPanel
from app.gui.panels.status_strip import StatusStrip
from app.gui.presenter import Presenter
from app.gui.session_port import SessionPort
from app.gui.store import WindowStore, usual_folder
from app.gui.text import tr
from app.gui.theme import DARK, RED, THEME
from app.gui.veil import Banner, KeyMap, Veil
from app.gui.viewer import Viewer

_TICK_MS = 125
_PANELS, _NARROW_PANELS = 312, 280
"""Width of the column of panels, and in a narrow window, at letters of size 1."""
_FIRST, _SHARE = QSize(1480, 900), 0.7
"""Size of the first window, and the part of a large screen that it takes at least."""
_BORDERS = QSize(16, 48)
"""What a window manager may lay around a window."""
_REPLAYABLE = (".tif", ".tiff", ".png")


def first_size(screen: QSize) -> QSize:
    """Return the size of a window that nobody has sized yet, on a screen with this room: all of it can be seen."""
    return _FIRST.expandedTo(screen * _SHARE).boundedTo(screen - _BORDERS).expandedTo(QSize(1, 1))


class MainWindow(QMainWindow):
    """The operator's window.

    Signals
    -------
    left : int
        The window has closed, with this exit code; the light is off if it is 0.
    """

    left = Signal(int)

    def __init__(self, session: SessionPort, store: WindowStore) -> None:
        super().__init__()
        self.session, self.store = session, store
        self.setWindowTitle("dapiscope")
        self.setObjectName("dapiscope")
        self.setAcceptDrops(True)
        self.charts_by_hand, self._panels_by_hand = bool(store.text("charts")), store.raw("halves") is not None
        self._charts_needed = False  # by a tool
        THEME.set(RED if store.text("theme") == "red" else DARK, store.number("letters", 1.0))
        self.bridge = Bridge(session, self)
        self.folder = Path(store.text("folder") or usual_folder())
        self._make_parts()
        self.profile, self.compare = ProfileActions(self), CompareActions(self)
        self.charts.addTab(self.profile.chart, tr("Profile"))
        place = self.charts.indexOf(self.profile.chart)
        self.charts.setTabToolTip(place, tr("Grey values along the line on the picture.  [I]"))
        self.microscope, self.replay = MicroscopeActions(self), ReplayActions(self)
        self.view, self.files, self.tools = ViewActions(self), FileActions(self), ToolActions(self)
        self.exports, self.plans = ExportActions(self), PlanActions(self)
        self.calibration = CalibrationActions(self)
        self.correct, self.start = CorrectActions(self), StartActions(self)
        groups = {"microscope": self.microscope, "replay": self.replay, "view": self.view, "files": self.files}
        groups["profile"], groups["layers"], groups["compare"] = self.profile, self.layers, self.compare
        groups["plans"], groups["correct"], groups["start"] = self.plans, self.correct, self.start
        groups["calibration"] = self.calibration
        self.actions_by_id = make_actions(
            self, {**groups, "exports": self.exports, "tools": self.tools, "window": self}
        )
        for action in self.actions_by_id.values():
            self.addAction(action)
        self._lay_out()
        self.presenter = Presenter(self)
        self.closing = Closing(self)
        self._connect()
        self._restore()
        self.bridge.off_thread(model_names, self._show_models)
        self.show_session_state(session.state)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self.presenter.tick)
        self._timer.start()

    # --- building --------------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        settings = self.session.settings
        self.viewer = Viewer()
        self.light = LightPanel(self.session.channels, settings.light.intensity)
        self.camera = CameraPanel(settings.camera)
        self.segmentation = SegmentationPanel(settings.segmentation.model, settings.segmentation.pixel_size_um)
        self.layers = LayerActions(self)
        self.counts = CountsPanel()
        self.focus_panel = FocusPanel()
        self.sample = SamplePanel(settings.sample.sample, settings.sample.operator, self.folder)
        self.messages = MessageList()
        self.histogram, self.charts, self.table = Histogram(), Charts(), NucleiTable()
        self.charts.addTab(self.table, tr("Table"))
        self.charts.setTabToolTip(5, tr("Every nucleus of the newest result."))
        self.replay_bar, self.strip = ReplayBar(), StatusStrip()
        self.replay_bar.hide()
        self.sections = {
            name: Section(name, title, body, open_=open_)
            for name, title, body, open_ in (
                ("counts", tr("Nuclei in view"), self.counts, True),
                ("light", tr("Light"), self.light, True),
                ("focus", tr("Focus"), self.focus_panel, True),
                ("camera", tr("Camera"), self.camera, True),
                ("segmentation", tr("Segmentation"), self.segmentation, True),
                ("layers", tr("Composite"), self.layers.panel, False),
                ("sample", tr("Sample and files"), self.sample, False),
                ("messages", tr("Messages"), self.messages, False),
            )
        }

    def _lay_out(self) -> None:
        self.column = QWidget()
        self.column.setObjectName("panels")
        lines = QVBoxLayout(self.column)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(0)
        for section in self.sections.values():
            lines.addWidget(section)
        lines.addStretch(1)
        self.panel_area = QScrollArea()
        self.panel_area.setWidget(self.column)
        self.panel_area.setWidgetResizable(True)
        self.panel_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.panel_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.below = QSplitter(Qt.Orientation.Horizontal)
        self.below.addWidget(self.histogram)
        self.below.addWidget(self.charts)
        self.below.setStretchFactor(0, 1)
        self.below.setStretchFactor(1, 2)
        picture = QFrame()
        around = QVBoxLayout(picture)
        around.setContentsMargins(0, 0, 0, 0)
        around.setSpacing(0)
        self.desk = QWidget()
        self.pictures = QHBoxLayout(self.desk)
        self.pictures.setContentsMargins(0, 0, 0, 0)
        self.pictures.setSpacing(THEME.px(3))
        self.pictures.addWidget(self.viewer, 1)
        around.addWidget(self.desk, 1)
        around.addWidget(self.compare.bar)
        around.addWidget(self.correct.bar)
        around.addWidget(self.replay_bar)
        self.correct.bar.fill([self.actions_by_id[name] for name in CORRECT_BUTTONS])
        self.replay_bar.compare.setDefaultAction(self.actions_by_id["compare"])
        self.rows = QSplitter(Qt.Orientation.Vertical)
        self.rows.addWidget(picture)
        self.rows.addWidget(self.below)
        self.rows.setStretchFactor(0, 1)
        self.rows.setCollapsible(0, False)
        self.halves = QSplitter(Qt.Orientation.Horizontal)
        self.halves.addWidget(self.rows)
        self.halves.addWidget(self.panel_area)
        self.halves.setStretchFactor(0, 1)
        self.halves.setStretchFactor(1, 0)
        self.halves.setCollapsible(0, False)
        for splitter in (self.below, self.rows, self.halves):
            splitter.setHandleWidth(THEME.px(4))
        page = self.page = QWidget()
        page.setObjectName("page")
        down = QVBoxLayout(page)
        down.setContentsMargins(0, 0, 0, 0)
        down.setSpacing(0)
        down.addWidget(self.halves, 1)
        down.addWidget(self.strip)
        self.setCentralWidget(page)
        self._make_toolbar()
        self.toasts = ToastStack(page, self.desk)
        self.banner = Banner(self.desk, self.microscope.reconnect)
        self.key_map = KeyMap(page)
        self.veil = Veil(self)
        self._size_to_letters()

    def _make_toolbar(self) -> None:
        self.bar = QToolBar(tr("Tools"))
        self.bar.setMovable(False)
        self.bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.addToolBar(self.bar)
        for spec in ACTIONS:
            if spec.toolbar and spec.id not in ("lights_off", "fullscreen"):
                self.bar.addAction(self.actions_by_id[spec.id])
        room = QWidget()
        room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.bar.addWidget(room)
        self.bar.addAction(self.actions_by_id["lights_off"])
        self.menu_button = QToolButton()
        show_icon(self.menu_button, "menu")
        self.menu_button.setText(tr("Menu"))
        self.menu_button.setToolTip(tr("Everything else.  [F10]"))
        self.menu_button.setAccessibleName(tr("Menu"))
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.setShortcut("F10")
        self.menu = QMenu(self.menu_button)
        for name in MENUS:
            below = self.menu.addMenu(tr(name))
            for spec in ACTIONS:
                if spec.menu == name:
                    below.addAction(self.actions_by_id[spec.id])
        self.menu_button.setMenu(self.menu)
        for menu in (self.menu, *self.menu.findChildren(QMenu)):
            menu.installEventFilter(ESCAPE)
        self.bar.addWidget(self.menu_button)
        for name, style in (("record", "record"), ("lights_off", "lightsoff")):
            button = self.bar.widgetForAction(self.actions_by_id[name])
            if button is not None:
                button.setObjectName(style)
        self._draw_icons()

    def _draw_icons(self) -> None:
        for spec in ACTIONS:
            warns = spec.id in ("record", "lights_off")
            self.actions_by_id[spec.id].setIcon(icon(spec.icon, THEME.palette.error if warns else None))
        for button in self.findChildren(QAbstractButton):
            if name := button.property("drawing"):
                show_icon(button, name)
        self.show_session_state(self.session.state)

    def _connect(self) -> None:
        s, view, replay = self.session, self.view, self.replay
        self.bridge.happened.connect(self.presenter.take)
        self.viewer.view_changed.connect(lambda shown: s.set_view(shown))
        self.viewer.painted.connect(self.presenter.count_paint)
        self.viewer.nucleus_picked.connect(self.table.choose)
        self.table.row_chosen.connect(self.viewer.select_row)
        self.light.channel_asked.connect(self._channel_asked)
        self.light.intensity_asked.connect(lambda level: s.set_intensity(level))
        self.light.off_asked.connect(self.microscope.all_off)
        self.camera.auto_asked.connect(self.microscope.auto_exposure)
        self.camera.settings_asked.connect(lambda settings: s.set_camera(settings))
        self.segmentation.counting_asked.connect(self.microscope.toggle_counting)
        self.segmentation.model_asked.connect(lambda name: s.set_model(name))
        self.segmentation.pixel_size_asked.connect(self.calibration.give_pixel_size)
        self.segmentation.style_changed.connect(view.restyle)
        self.sample.names_changed.connect(lambda sample, operator: s.set_sample(sample, operator))
        self.sample.folder_asked.connect(self.files.choose_folder)
        self.focus_panel.reset_asked.connect(self.microscope.reset_focus)
        self.histogram.contrast_asked.connect(view.drag_contrast)
        self.histogram.auto_asked.connect(view.auto_contrast)
        self.replay_bar.play_asked.connect(replay.toggle)
        self.replay_bar.step_asked.connect(lambda n: s.replay_step(n))
        self.replay_bar.seek_asked.connect(lambda index: s.replay_seek(index))
        self.replay_bar.speed_asked.connect(lambda speed: s.replay_speed(speed))
        self.replay_bar.loop_asked.connect(replay.loop)
        self.replay_bar.close_asked.connect(replay.close)
        self.charts.currentChanged.connect(lambda _index: self.presenter.show_table())
        ESCAPE.pressed.connect(self._darken)
        self._enter = EnterMovesOn(self)
        self._enter.done.connect(self.viewer.setFocus)
        for kind in (QAbstractButton, QAbstractSpinBox, QLineEdit):
            for widget in self.findChildren(kind):
                widget.installEventFilter(self._enter)
        self.halves.splitterMoved.connect(lambda _place, _index: self._panels_moved())
        THEME.changed.connect(self._size_to_letters)
        THEME.changed.connect(self._draw_icons)

    def _darken(self) -> None:
        self.microscope.all_off()

    def _channel_asked(self, name: str | None) -> None:
        self.session.set_channel(name)
        if name is not None:
            self.view.apply_contrast(name)

    def _size_to_letters(self) -> None:
        self.bar.setIconSize(self.bar.iconSize().scaled(THEME.px(20), THEME.px(20), Qt.AspectRatioMode.KeepAspectRatio))
        self.below.setMinimumHeight(THEME.px(110))
        self._fit_toolbar()
        self._share_room()

    # --- state over starts -----------------------------------------------------------------------------------------

    def _restore(self) -> None:
        store = self.store
        self.resize(first_size(self.screen().availableSize()))
        if (geometry := store.raw("geometry")) is not None:
            self.restoreGeometry(geometry)
        self.rows.setSizes([700, THEME.px(150)])
        self.below.setSizes([360, 640])
        for name in ("rows", "halves", "below"):
            if (packed := store.raw(name)) is not None:
                getattr(self, name).restoreState(packed)
        for name, section in self.sections.items():
            section.set_open(store.flag(f"open/{name}", section.is_open))
        style = OverlayStyle(
            shown=store.flag("overlay", True),
            contour=store.flag("contour", True),
            fill=store.flag("fill", True),
            opacity=store.number("opacity", 0.9),
            ids=store.flag("ids", False),
            color_by=color_by_of(store.text("color_by")),
        )
        self.segmentation.show_style(style)
        checks = {
            "overlay": style.shown, "ids": style.ids, "tint": self.view.tinted, "limits": self.view.marking,
            "counting": True, "crosshair": store.flag("crosshair", False),
            "log_histogram": store.flag("log_histogram", True),
            "panels": store.flag("panels", True), "charts": store.flag("charts", self.below.isVisibleTo(self)),
            "red_theme": THEME.palette is RED, "english": store.flag("english", False),
        }  # fmt: skip
        for name, on in checks.items():
            self.actions_by_id[name].setChecked(on)
        self.view.toggle_crosshair(checks["crosshair"])
        self.view.show_log(checks["log_histogram"])
        self.panel_area.setVisible(checks["panels"])
        self.below.setVisible(checks["charts"])
        self.charts.setCurrentIndex(int(store.number("chart", 0)))
        self.view.restyle(style)
        self.view.apply_contrast()
        self.viewer.setFocus()  # the keys work the microscope from the first moment
        sample, operator = store.text("sample"), store.text("operator")
        if (sample or operator) and not (self.sample.sample.text() or self.sample.operator.text()):
            self.sample.sample.setText(sample)
            self.sample.operator.setText(operator)
            self.session.set_sample(sample, operator)

    def remember(self) -> None:
        """Keep the window's state for the next start."""
        style = self.segmentation.style_now
        self.store.put(
            {
                "geometry": self.saveGeometry(), "rows": self.rows.saveState(),
                "below": self.below.saveState(), "folder": str(self.folder), "contrast": self.view.contrasts.as_text(),
                "crosshair": self.viewer.crosshair, "log_histogram": self.histogram.log, "tint": self.view.tinted,
                "limits": self.view.marking, "overlay": style.shown, "ids": style.ids,
                "contour": style.contour, "fill": style.fill, "opacity": str(style.opacity),
                "color_by": style.color_by.value,
                "theme": THEME.palette.name, "letters": str(THEME.font_scale),
                "panels": self.actions_by_id["panels"].isChecked(),
                "chart": str(self.charts.currentIndex()),
                "sample": self.sample.sample.text(), "operator": self.sample.operator.text(),
                **{f"open/{name}": section.is_open for name, section in self.sections.items()},
            }
        )  # fmt: skip
        if self.charts_by_hand:
            self.store.put({"charts": self.actions_by_id["charts"].isChecked()})
        self.tools.keep_last()
        if self._panels_by_hand:
            self.store.put({"halves": self.halves.saveState()})
        self.store.sync()

    def show_session_state(self, state: State) -> None:
        """Let the buttons say what can be done now."""
        acts = self.actions_by_id
        acts["live"].setChecked(state in (State.LIVE, State.STARTING))
        live = state is State.LIVE
        acts["live"].setText(tr("Stop") if live else tr("Live"))
        acts["live"].setIcon(icon("stop" if live else "live"))
        busy = state in (State.STARTING, State.STOPPING, State.SNAPPING, State.PLAN, State.CLOSED)
        for name in ("live", "snap", "snap_segment", "open", "open_folder"):
            acts[name].setEnabled(not busy and not self.start.undecided)
        waits = state in (State.STARTING, State.SNAPPING)  # for its turn; pressed again it is given up
        acts["record"].setEnabled((waits or not busy) and not self.start.undecided)
        acts["plan"].setEnabled(not self.start.undecided)
        replaying = state is State.REPLAYING
        for name in ("close_replay", "play", "step_back", "step_on", "loop", "compare"):
            acts[name].setEnabled(replaying)
        self.replay_bar.setVisible(replaying)
        hints = {
            State.IDLE: tr("Press L for the live picture, Space to snap, or drop a recording here."),
            State.STARTING: tr("Starting: light, camera, model…"),
            State.FAILED: tr("Stopped. Read the message, then connect again."),
        }
        undecided = tr("Choose camera and light (Ctrl+Shift+D) to begin.") if self.start.undecided else ""
        self.viewer.set_hint(undecided or hints.get(state, ""))

    # --- what others ask of the window -----------------------------------------------------------------------------

    def _show_models(self, names: Any) -> None:
        if isinstance(names, list):
            self.segmentation.show_models(names)
            self.tools.go_on(models=names)

    def notify(self, notice: Notice, button: str = "", call: Callable[[], object] | None = None) -> None:
        """Say a sentence: in the corner and in the list; with a button for its remedy."""
        if notice.remedy == "folder" and not button:
            button, call = tr("Where to save…"), self.files.choose_folder
        self.messages.add(notice)
        if self.closing.under_way:
            self.closing.take(notice)
            return
        self.toasts.show_notice(notice, button, call)

    def notify_file(self, notice: Notice, path: Path) -> None:
        """Say that a file was written, and offer to see or to open it."""
        self.exports.note_file(path)
        if path.suffix.lower() in _REPLAYABLE:
            self.notify(notice, tr("Open"), lambda: self.files.open_path(str(path)))
        else:
            self.notify(notice, tr("Show"), lambda: self.files.show_in_folder(path))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Let the buttons give way: text first, never the button."""
        super().resizeEvent(event)
        self._fit_toolbar()
        self._share_room()
        self.toasts.settle()

    def _fit_toolbar(self) -> None:
        wide = self.width() >= THEME.px(920)
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if wide else Qt.ToolButtonStyle.ToolButtonIconOnly
        if self.bar.toolButtonStyle() != style:
            self.bar.setToolButtonStyle(style)

    def _share_room(self) -> None:
        """Leave the room of a window that is small for its letters to the picture; the operator's word is the last."""
        narrow, low = self.width() < THEME.px(900), self.height() < THEME.px(560)
        self.panel_area.setMinimumWidth(THEME.px(_NARROW_PANELS if narrow else _PANELS - 8))
        if not self._panels_by_hand:
            panels = THEME.px(_NARROW_PANELS if narrow else _PANELS)
            self.halves.setSizes([max(self.width() - panels, 1), panels])
        if not self.charts_by_hand:
            self.show_charts(self._charts_needed or not low)

    def show_charts(self, on: bool) -> None:
        """Show or hide what is below the picture."""
        self.actions_by_id["charts"].setChecked(on)
        self.below.setVisible(on)

    def need_charts(self, needed: bool) -> None:
        """Show the charts while a tool needs them, however small the window is."""
        if needed:
            self.show_charts(True)
        self._charts_needed = needed
        self._share_room()

    def _panels_moved(self) -> None:
        self._panels_by_hand = True

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Replay what was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self.files.open_path(paths[0])

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Close only when the light is off; until then the window stays and says so."""
        if self.closing.done:
            event.accept()
        else:
            event.ignore()
            self.closing.begin()
