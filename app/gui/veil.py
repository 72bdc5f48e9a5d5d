"""What lies over the window for a while: the failure's sentence, the map of keys, and the last moments."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.gui.actions import ACTIONS, MENUS, ActionSpec, shortcut_text
from app.gui.panels.notices import raise_below_messages
from app.gui.panels.parts import label
from app.gui.text import tr
from app.gui.theme import BASE_POINT_SIZE, THEME

_FIRST = ("Light", "Microscope")
"""Where the map is longer than the window, darkness and live imaging are on top."""
_KEY_POINTS = 9.5


class _Over(QFrame):
    """Covers its parent and follows its size."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        over.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow."""
        if watched is self._over and event.type() == QEvent.Type.Resize:
            self.settle()
        return False

    def settle(self) -> None:
        """Take the parent's whole room."""
        self.setGeometry(self._over.rect())

    def appear(self) -> None:
        """Show above everything but the messages."""
        self.settle()
        self.show()
        raise_below_messages(self)


class Veil(_Over):
    """Darkens the window and says one thing, with at most one button."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("veil")
        self.text = label("", "title", wrap=True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text.setFont(THEME.font(18, bold=True))
        self.button = QPushButton()
        self.button.hide()
        self.button.setObjectName("alloff")
        lines = QVBoxLayout(self)
        lines.setContentsMargins(THEME.px(60), THEME.px(40), THEME.px(60), THEME.px(40))
        lines.addStretch(1)
        lines.addWidget(self.text)
        lines.addWidget(self.button, 0, Qt.AlignmentFlag.AlignCenter)
        lines.addStretch(1)

    def say(self, text: str, button: str = "", call: Callable[[], object] | None = None) -> None:
        """Cover the window and say `text`."""
        self.text.setText(text)
        self.button.setVisible(bool(button))
        if button and call is not None:
            self.button.setText(button)
            self.button.setToolTip(button)
            self.button.clicked.connect(lambda _checked=False: call())
        self.appear()


class Banner(_Over):
    """The reason of a failure, above the picture, until the operator starts again."""

    def __init__(self, over: QWidget, again: Callable[[], object]) -> None:
        super().__init__(over)
        self.setObjectName("banner")
        self.text = label("", "error", wrap=True)
        self.text.setFont(THEME.font(11.5, bold=True))
        self.again = QPushButton(tr("Connect again"))
        self.again.setToolTip(tr("Open light, camera and model again."))
        self.again.clicked.connect(lambda _checked=False: again())
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(14), THEME.px(10), THEME.px(12), THEME.px(10))
        row.addWidget(self.text, 1)
        row.addWidget(self.again)

    def settle(self) -> None:
        """Take the top of the picture, as high as the sentence needs."""
        room = self._over.rect().adjusted(THEME.px(12), 0, -THEME.px(12), 0)
        self.setFixedWidth(max(room.width(), 100))
        layout = self.layout()
        height = layout.totalHeightForWidth(room.width()) if layout is not None else 0
        self.setFixedHeight(max(height, self.minimumSizeHint().height(), THEME.px(50)))
        self.move(THEME.px(12), THEME.px(74))

    def say(self, reason: str) -> None:
        """Show the reason."""
        self.text.setText(reason)
        self.appear()


class KeyMap(_Over):
    """All keys, by menu."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("veil")
        self._scroll = QScrollArea(self)
        self._scroll.setObjectName("toast")
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow with as many columns as there is room for now."""
        if watched is self._over and event.type() == QEvent.Type.Resize and self.isVisible():
            self.appear()
        return False

    @staticmethod
    def _page(columns: int, times: float) -> QWidget:
        def px(length: float) -> int:
            return THEME.px(length * times)

        page = QWidget()
        page.setObjectName("page")
        across = QHBoxLayout(page)
        across.setContentsMargins(px(26), px(18), px(26), px(18))
        across.setSpacing(px(34))
        downs = [QVBoxLayout() for _ in range(columns)]
        for down in downs:
            down.setSpacing(px(3))
            across.addLayout(down)
        blocks = [(menu, [spec for spec in ACTIONS if spec.menu == menu and spec.shortcut]) for menu in MENUS]
        width = QFontMetrics(THEME.font(_KEY_POINTS * times, bold=True)).horizontalAdvance
        keys = max(width(shortcut_text(spec)) for _, specs in blocks for spec in specs) + px(2)
        lengths = [0] * columns
        rest = [block for block in blocks if block[0] not in _FIRST]
        blocks = [block for name in _FIRST for block in blocks if block[0] == name]
        for menu, specs in (*blocks, *sorted(rest, key=lambda block: -len(block[1]))):
            shortest = lengths.index(min(lengths))
            lengths[shortest] += len(specs) + 2
            head = _text(tr(menu).upper(), BASE_POINT_SIZE * times)
            head.setProperty("role", "muted")
            downs[shortest].addWidget(head)
            for spec in specs:
                downs[shortest].addLayout(_key_line(spec, times, keys))
            downs[shortest].addSpacing(px(12))
        for down in downs:
            down.addStretch(1)
        return page

    def appear(self) -> None:
        """Show, in as many columns as there is room for, in letters up to twice the usual where there is more."""
        width, height = self._over.width() - THEME.px(70), self._over.height() - THEME.px(40)
        for columns in (3, 2, 1):
            page = self._page(columns, 1.0)
            page.ensurePolished()
            wanted = page.sizeHint()
            if wanted.width() <= width or columns == 1:
                break
            page.deleteLater()
        times = min(width / wanted.width(), height / wanted.height(), 2.0)
        if times > 1.1:
            page.deleteLater()
            page = self._page(columns, times * 0.97)  # letters do not grow quite evenly
        self._scroll.setWidget(page)
        super().appear()

    def settle(self) -> None:
        """Take the whole room, with the map in its middle, as large as it has to be."""
        super().settle()
        page = self._scroll.widget()
        if page is None:
            return
        wanted = page.sizeHint()
        width = min(wanted.width() + THEME.px(60), self.width() - THEME.px(24))
        height = min(wanted.height() + THEME.px(8), self.height() - THEME.px(24))
        self._scroll.setGeometry((self.width() - width) // 2, (self.height() - height) // 2, width, height)


def _key_line(spec: ActionSpec, times: float, width: int) -> QHBoxLayout:
    key = _text(shortcut_text(spec), _KEY_POINTS * times, bold=True)
    key.setFixedWidth(width)
    text = _text(tr(spec.text), BASE_POINT_SIZE * times)
    text.setToolTip(tr(spec.tooltip))
    row = QHBoxLayout()
    row.setSpacing(THEME.px(8 * times))
    row.addWidget(key)
    row.addWidget(text, 1)
    return row


def _text(text: str, points: float, *, bold: bool = False) -> QLabel:
    made = QLabel(text)  # not `label`: dressed at once, it would have the usual size
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setFont(THEME.font(points, bold=bold))
    return made
