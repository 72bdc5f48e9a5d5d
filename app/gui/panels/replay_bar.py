"""The replay's controls: what a video player has, with the counts along the timeline."""

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from app.events import ReplayMoved
from app.gui.icons import show_icon
from app.gui.panels.parts import choice
from app.gui.text import number, plain, tr
from app.gui.theme import THEME

SPEEDS: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


class Timeline(QWidget):
    """Frames from left to right, each with its count once it is known.

    Signals
    -------
    seek_asked : int
    """

    seek_asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Timeline"))
        self.setToolTip(tr("Click or drag to go to a frame; the bars are the counts."))
        self.length, self.position = 0, 0
        self.counts: dict[int, int] = {}
        self._counted: dict[int, int] = {}
        self._places: dict[int, int] = {}

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a usual size."""
        return QSize(THEME.px(400), THEME.px(38))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the least useful size."""
        return QSize(THEME.px(50), THEME.px(38))

    def show_position(self, position: int, length: int) -> None:
        """Show where the replay stands."""
        if (position, length) != (self.position, self.length):
            self.position, self.length = position, length
            self.update()

    def place(self, frame_index: int, position: int) -> None:
        """Note that the frame with this number lies at `position`: numbers have gaps where frames were lost."""
        self._places[frame_index] = position
        if frame_index in self._counted:
            self.counts[position] = self._counted[frame_index]
            self.update()

    def show_count(self, frame_index: int, count: int) -> None:
        """Show the count of a frame at its place, as soon as that is known."""
        self._counted[frame_index] = count
        if frame_index in self._places:
            self.counts[self._places[frame_index]] = count
            self.update()

    def clear(self) -> None:
        """Forget all counts and places."""
        for known in (self.counts, self._counted, self._places):
            known.clear()
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw bars and the place."""
        painter = QPainter(self)
        p, rect = THEME.palette, QRectF(self.rect()).adjusted(1, 2, -1, -2)
        painter.fillRect(rect, QColor(p.black))
        if self.length > 0:
            step = rect.width() / self.length
            done = QRectF(rect.left(), rect.top(), step * (self.position + 1), rect.height())
            painter.fillRect(done, QColor(p.raised))
            top = max(self.counts.values(), default=0)
            # More frames than pixels: one bar a pixel is all that can be seen.
            stride = max(int(1 / step), 1) if step > 0 else 1
            gap = 1 if step > 4 else 0
            for index, count in self.counts.items():
                if top and index % stride == 0:
                    # Whole pixels: fractions would leave dark lines between some bars and not between others.
                    left, right = (round(rect.left() + place * step) for place in (index, index + 1))
                    height = (rect.height() - 4) * count / top
                    bar = QRectF(left, rect.bottom() - height, max(right - left - gap, 1), height)
                    painter.fillRect(bar, QColor(p.accent if index <= self.position else p.muted))
            x = rect.left() + (self.position + 0.5) * step
            painter.setPen(QPen(QColor(p.text), 2))
            painter.drawLine(int(x), int(rect.top()), int(x), int(rect.bottom()))
            self._paint_place(painter, rect)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(p.accent if self.hasFocus() else p.line), 1))
        painter.drawRect(rect)
        painter.end()

    def _paint_place(self, painter: QPainter, rect: QRectF) -> None:
        """Write frame and length, on the side where the place is not."""
        text = f"{number(self.position + 1)} / {number(self.length)}"
        painter.setFont(THEME.font(9))
        box = QRectF(0, 0, QFontMetricsF(painter.font()).horizontalAdvance(text) + THEME.px(10), THEME.px(18))
        box.moveTop(rect.center().y() - box.height() / 2)
        box.moveLeft(rect.left() + 4 if self.position > self.length / 2 else rect.right() - box.width() - 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 170))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(QColor(THEME.palette.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _index_at(self, x: float) -> int:
        return min(max(int(x / max(self.width(), 1) * self.length), 0), max(self.length - 1, 0))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go there."""
        if self.length:
            self.seek_asked.emit(self._index_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go along with a held button; otherwise say what is there."""
        if not self.length:
            return
        index = self._index_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.seek_asked.emit(index)
        known = f": {number(self.counts[index])} {tr('nuclei')}" if index in self.counts else ""
        self.setToolTip(f"{tr('frame')} {index + 1}{known}")

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Go to the ends with Home and End, ten frames with Page up and down."""
        target = {
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: self.length - 1,
            Qt.Key.Key_PageUp: self.position - 10,
            Qt.Key.Key_PageDown: self.position + 10,
        }.get(Qt.Key(event.key()))
        if target is None or not self.length:
            super().keyPressEvent(event)
            return
        self.seek_asked.emit(min(max(target, 0), self.length - 1))


class ReplayBar(QFrame):
    """Play, step, speed, loop, timeline; shown only while something is replayed.

    Signals
    -------
    play_asked, close_asked
    step_asked, seek_asked : int
    speed_asked : float
    loop_asked : bool
    """

    play_asked = Signal()
    close_asked = Signal()
    step_asked = Signal(int)
    seek_asked = Signal(int)
    speed_asked = Signal(float)
    loop_asked = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("strip")
        self.playing = False
        self.play = self._button("play", tr("Play or hold.  [K]"), self.play_asked.emit)
        self.back = self._button("step-back", tr("Go back one frame.  [←]"), lambda: self.step_asked.emit(-1))
        self.on = self._button("step", tr("Go on by one frame.  [→]"), lambda: self.step_asked.emit(1))
        self.loop = self._button("loop", tr("Begin again at the end.  [Shift+L]"), None)
        self.loop.setCheckable(True)
        self.loop.clicked.connect(self.loop_asked)
        self.compare = QToolButton()
        self.close_button = self._button("close", tr("Leave the replay.  [Ctrl+W]"), self.close_asked.emit)
        self.speed = choice(self, tr("Speed"), tr("How fast the recording is played."))
        for value in SPEEDS:
            self.speed.addItem(f"{plain(value)}×", value)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.setMinimumContentsLength(3)
        self.timeline = Timeline()
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(10), THEME.px(4), THEME.px(10), THEME.px(4))
        row.setSpacing(THEME.px(6))
        for button in (self.back, self.play, self.on):
            row.addWidget(button)
        row.addWidget(self.timeline, 1)
        row.addWidget(self.speed)
        row.addWidget(self.loop)
        row.addWidget(self.compare)
        row.addWidget(self.close_button)
        self.timeline.seek_asked.connect(self.seek_asked)
        self.speed.activated.connect(lambda _index: self.speed_asked.emit(float(self.speed.currentData())))

    @staticmethod
    def _button(name: str, tooltip: str, call: object) -> QToolButton:
        button = QToolButton()
        show_icon(button, name)
        button.setToolTip(tooltip)
        button.setAccessibleName(tooltip.split(".")[0])
        if callable(call):
            button.clicked.connect(lambda _checked=False: call())
        return button

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the room for what cannot be missed; loop and comparison have keys and a menu as well."""
        least = super().minimumSizeHint()
        shown = (button for button in self._optional() if not button.isHidden())
        return QSize(least.width() - sum(self._room_of(button) for button in shown), least.height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Let buttons go where there is no room for them."""
        super().resizeEvent(event)
        least = super().minimumSizeHint().width()
        fixed = least - sum(self._room_of(button) for button in self._optional() if not button.isHidden())
        for button in self._optional():
            fixed += self._room_of(button)
            button.setVisible(fixed <= self.width())

    def _optional(self) -> tuple[QToolButton, ...]:
        return self.loop, self.compare

    def _room_of(self, button: QToolButton) -> int:
        return button.sizeHint().width() + THEME.px(6)

    def show_moved(self, event: ReplayMoved) -> None:
        """Show where the replay stands."""
        if event.length != self.timeline.length:
            self.timeline.clear()
        if event.frame_index is not None:
            self.timeline.place(event.frame_index, event.position - 1)
        # The replay stands before `position`; what is on the screen is the frame before that.
        self.timeline.show_position(min(max(event.position - 1, 0), max(event.length - 1, 0)), event.length)
        playing = event.playing and (event.position < event.length or self.loop.isChecked())
        if playing != self.playing:
            self.playing = playing
            show_icon(self.play, "pause" if playing else "play")
        if event.speed > 0 and self.speed.findData(event.speed) >= 0:
            self.speed.setCurrentIndex(self.speed.findData(event.speed))

    def clear(self) -> None:
        """Forget the recording."""
        self.timeline.clear()
        self.timeline.show_position(0, 0)
