"""Colours and letters of the window: dark, low in glare, with every text at least 4.5:1 on its ground."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

BASE_POINT_SIZE = 10.0


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, ``#rrggbb``."""

    name: str
    black: str
    """Around the picture."""
    ground: str
    """Panels."""
    raised: str
    """Buttons and fields."""
    hover: str
    line: str
    text: str
    bright: str
    """Letters and bars on the picture, and the picture's own white."""
    muted: str
    accent: str
    """What is chosen or on."""
    on_accent: str
    good: str
    warning: str
    error: str


DARK = Palette(
    name="dark",
    black="#07090b",
    ground="#101318",
    raised="#1a1f27",
    hover="#252c37",
    line="#2a313c",
    text="#d6dce4",
    bright="#f4f6f8",
    muted="#93a0b0",
    accent="#f0b429",
    on_accent="#17130a",
    good="#4fd1b0",
    warning="#f0b429",
    error="#ff7468",
)

RED = Palette(
    name="red",
    black="#050000",
    ground="#0d0303",
    raised="#1c0707",
    hover="#2b0b0b",
    line="#3a1010",
    text="#f05a4a",
    bright="#f05a4a",
    muted="#de5445",
    accent="#ff5040",
    on_accent="#100202",
    good="#f05a4a",
    warning="#ff6a50",
    error="#ff6a5a",
)
"""Deep red only, for eyes that have to stay used to the dark."""


class Theme(QObject):
    """The theme in force, and the news that it changed."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.palette: Palette = DARK
        self.font_scale = 1.0
        self._fonts: dict[tuple[float, bool, float], QFont] = {}

    def shade(self, color: str) -> str:
        """Return a colour that means something, ``#rrggbb``, as this theme has it: in the red one there is only red."""
        return self.palette.text if self.palette is RED else color

    def px(self, length: float) -> int:
        """Return a length in pixels at 100 %, scaled with the letters."""
        return max(round(length * self.font_scale), 1)

    def set(self, palette: Palette | None = None, font_scale: float | None = None) -> None:
        """Change the colours, the size of letters (1.0 to 2.0), or both, everywhere."""
        self.palette = palette or self.palette
        if font_scale is not None:
            self.font_scale = min(max(font_scale, 1.0), 2.0)
        self.apply()
        self.changed.emit()

    def apply(self) -> None:
        """Dress the application."""
        app = QApplication.instance()
        if not isinstance(app, QApplication):
            return
        sheet = style_sheet(self.palette, self.px)
        if app.styleSheet() == sheet:
            return  # dressing every widget again takes a second on a busy machine
        # Undressed first: else font, palette and sheet dress every widget anew, each by itself: thrice the work.
        app.setStyleSheet("")
        if app.style().name() != "fusion":
            app.setStyle("Fusion")
        app.setFont(self.font())
        app.setPalette(self._qt_palette())
        app.setStyleSheet(sheet)

    def font(self, points: float = BASE_POINT_SIZE, *, bold: bool = False) -> QFont:
        """Return the window's typeface at `points` (scaled)."""
        key = (points, bold, self.font_scale)
        if key not in self._fonts:
            font = QFont()
            font.setFamilies(["Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "Cantarell", "DejaVu Sans"])
            font.setPointSizeF(points * self.font_scale)
            font.setBold(bold)
            # Figures of equal width: a count that changes must not dance.
            font.setFeature(QFont.Tag("tnum"), 1)
            self._fonts[key] = font
        return self._fonts[key]

    def _qt_palette(self) -> QPalette:
        p = self.palette
        roles = QPalette.ColorRole
        palette = QPalette()
        for role, color in (
            (roles.Window, p.ground),
            (roles.WindowText, p.text),
            (roles.Base, p.raised),
            (roles.AlternateBase, p.ground),
            (roles.Text, p.text),
            (roles.Button, p.raised),
            (roles.ButtonText, p.text),
            (roles.ToolTipBase, p.raised),
            (roles.ToolTipText, p.text),
            (roles.Highlight, p.accent),
            (roles.HighlightedText, p.on_accent),
            (roles.PlaceholderText, p.muted),
            (roles.BrightText, p.error),
            (roles.Link, p.accent),
            (roles.LinkVisited, p.muted),
            (roles.Accent, p.accent),
            (roles.Midlight, p.hover),
            (roles.Shadow, p.black),
            (roles.Light, p.hover),
            (roles.Mid, p.line),
            (roles.Dark, p.black),
        ):
            palette.setColor(role, QColor(color))
        for role in (roles.Text, roles.ButtonText, roles.WindowText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(p.muted))
        return palette


THEME = Theme()


def style_sheet(p: Palette, s: Callable[[float], int]) -> str:
    """Return the Qt style sheet of a palette; `s` scales lengths in pixels."""
    groove, beyond = s(4), s(5)
    handle = groove + 2 * beyond  # as wide as high at every size of the letters: Qt rounds no more than half of either
    return f"""
    QWidget {{ color: {p.text}; }}
    QMainWindow, QDialog, #panels, #page {{ background: {p.ground}; }}
    QToolTip {{ background: {p.raised}; color: {p.text}; border: 1px solid {p.line}; padding: {s(4)}px; }}
    QLabel[role="muted"] {{ color: {p.muted}; }}
    QLabel[role="good"] {{ color: {p.good}; }}
    QLabel[role="warning"] {{ color: {p.warning}; }}
    QLabel[role="error"] {{ color: {p.error}; }}
    QLabel[role="title"] {{ font-weight: 600; }}
    QToolBar {{ background: {p.ground}; border: none; border-bottom: 1px solid {p.line};
        spacing: {s(4)}px; padding: {s(5)}px {s(8)}px; }}
    QToolBar::separator {{ background: {p.line}; width: 1px; margin: {s(5)}px {s(5)}px; }}
    QToolButton, QPushButton {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: {s(5)}px;
        padding: {s(5)}px {s(9)}px; }}
    QToolButton:hover, QPushButton:hover {{ background: {p.hover}; border-color: {p.muted}; }}
    QToolButton:focus, QPushButton:focus, QComboBox:focus, QLineEdit:focus, QAbstractSpinBox:focus
        {{ border-color: {p.accent}; }}
    QToolButton:pressed, QPushButton:pressed {{ background: {p.line}; }}
    QToolButton:checked, QPushButton:checked {{ background: {p.accent}; color: {p.on_accent};
        border-color: {p.accent}; }}
    QToolButton:checked:focus, QPushButton:checked:focus {{ border-color: {p.text}; }}
    QToolButton:disabled, QPushButton:disabled {{ color: {p.muted}; background: {p.ground};
        border-color: {p.raised}; }}
    QToolButton#flat, QToolButton#fold {{ background: transparent; border-color: transparent; }}
    QToolButton#flat:hover {{ background: {p.hover}; }}
    QToolButton#flat:focus, QToolButton#fold:focus {{ border-color: {p.accent}; }}
    QToolButton#fold {{ font-weight: 600; padding: {s(6)}px {s(2)}px; text-align: left; }}
    QToolButton#fold:checked {{ background: transparent; color: {p.text}; border-color: transparent; }}
    QToolButton#fold:checked:focus {{ border-color: {p.accent}; }}
    QToolButton {{ qproperty-iconSize: {s(18)}px {s(18)}px; }}
    QToolButton#fold {{ qproperty-iconSize: {s(11)}px {s(11)}px; }}
    QToolBar QToolButton {{ qproperty-iconSize: {s(20)}px {s(20)}px; }}
    QToolButton::menu-indicator {{ image: none; }}
    QPushButton#alloff {{ background: {p.black}; border: 2px solid {p.error}; color: {p.error}; font-weight: 700;
        padding: {s(8)}px; }}
    QPushButton#alloff:focus {{ border-color: {p.text}; }}
    QPushButton#alloff:hover {{ background: {p.error}; color: {p.black}; }}
    QToolButton#record:checked {{ background: {p.error}; border-color: {p.error}; color: {p.black}; }}
    QToolButton#lightsoff {{ border: 1px solid {p.error}; color: {p.error}; font-weight: 600; }}
    QToolButton#lightsoff:hover {{ background: {p.error}; color: {p.black}; }}
    QLineEdit, QAbstractSpinBox, QComboBox {{ background: {p.raised}; border: 1px solid {p.line};
        border-radius: {s(4)}px; padding: {s(3)}px {s(6)}px; min-height: {s(20)}px;
        selection-background-color: {p.accent}; selection-color: {p.on_accent}; }}
    QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {{ color: {p.muted}; background: {p.ground}; }}
    QAbstractSpinBox QLineEdit {{ border: none; padding: 0 0 0 {s(3)}px; background: transparent; min-height: 0; }}
    QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: {s(16)}px; border: none;
        background: transparent; }}
    QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover {{ background: {p.hover}; }}
    QAbstractSpinBox::up-arrow {{ image: none; width: 0; height: 0; border-left: {s(4)}px solid {p.raised};
        border-right: {s(4)}px solid {p.raised}; border-bottom: {s(5)}px solid {p.muted}; }}
    QAbstractSpinBox::down-arrow {{ image: none; width: 0; height: 0; border-left: {s(4)}px solid {p.raised};
        border-right: {s(4)}px solid {p.raised}; border-top: {s(5)}px solid {p.muted}; }}
    QComboBox::drop-down {{ border: none; width: {s(18)}px; }}
    QComboBox::down-arrow {{ image: none; border-left: {s(4)}px solid {p.raised};
        border-right: {s(4)}px solid {p.raised}; border-top: {s(5)}px solid {p.muted}; width: 0; height: 0; }}
    QComboBox QAbstractItemView {{ background: {p.raised}; border: 1px solid {p.line};
        selection-background-color: {p.accent}; selection-color: {p.on_accent}; }}
    QMenu {{ background: {p.raised}; border: 1px solid {p.line}; padding: {s(4)}px; menu-scrollable: 1;
        icon-size: {s(18)}px; }}
    QMenu::icon {{ padding-left: {s(4)}px; }}
    QMenu::icon:checked {{ background: {p.accent}; border-radius: {s(3)}px; }}
    QMenu::item {{ padding: {s(5)}px {s(22)}px; border-radius: {s(3)}px; }}
    QMenu::item:selected {{ background: {p.accent}; color: {p.on_accent}; }}
    QMenu::item:disabled {{ color: {p.muted}; }}
    QMenu::separator {{ height: 1px; background: {p.line}; margin: {s(4)}px; }}
    QScrollArea {{ border: none; background: {p.ground}; }}
    QScrollBar:vertical {{ background: transparent; width: {s(9)}px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: {s(9)}px; margin: 0; }}
    QScrollBar::handle {{ background: {p.line}; border-radius: {s(4)}px; min-height: {s(24)}px; min-width: {s(24)}px; }}
    QScrollBar::handle:hover {{ background: {p.muted}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QSlider {{ min-height: {s(18)}px; }}
    QSlider::groove:horizontal {{ height: {groove}px; background: {p.line}; border-radius: {groove // 2}px; }}
    QSlider::sub-page:horizontal {{ background: {p.accent}; border-radius: {s(2)}px; }}
    QSlider::handle:horizontal {{ background: {p.text}; width: {handle}px; margin: -{beyond}px 0;
        border-radius: {handle // 2}px; }}
    QSlider::handle:horizontal:focus {{ background: {p.accent}; }}
    QSlider::sub-page:horizontal:disabled {{ background: {p.line}; }}
    QCheckBox {{ spacing: {s(7)}px; }}
    QCheckBox::indicator {{ width: {s(15)}px; height: {s(15)}px; border: 1px solid {p.muted};
        border-radius: {s(3)}px; background: {p.raised}; }}
    QCheckBox::indicator:checked {{ background: {p.accent}; border-color: {p.accent}; }}
    QCheckBox::indicator:focus {{ border: 2px solid {p.accent}; }}
    QSplitter::handle {{ background: {p.line}; }}
    QSplitter::handle:hover {{ background: {p.muted}; }}
    QTabBar {{ background: {p.ground}; }}
    QTabBar::tab {{ background: transparent; color: {p.muted}; padding: {s(4)}px {s(10)}px; border: none;
        border-bottom: 2px solid transparent; }}
    QTabBar::tab:selected {{ color: {p.text}; border-bottom: 2px solid {p.accent}; }}
    QTabBar::tab:focus {{ color: {p.accent}; }}
    QTabBar QToolButton {{ padding: 0; border-radius: 0; }}
    QTabWidget::pane {{ border: none; }}
    QTableView {{ background: {p.ground}; alternate-background-color: {p.raised}; gridline-color: {p.line};
        border: 1px solid {p.line}; selection-background-color: {p.accent}; selection-color: {p.on_accent}; }}
    QListView {{ background: {p.ground}; border: 1px solid {p.line}; }}
    QTableView:focus, QListView:focus {{ border-color: {p.accent}; }}
    QHeaderView::section {{ background: {p.raised}; color: {p.muted}; border: none;
        border-right: 1px solid {p.line}; padding: {s(3)}px {s(6)}px; }}
    QProgressBar {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: {s(3)}px; text-align: center; }}
    QProgressBar::chunk {{ background: {p.accent}; }}
    #section {{ border-bottom: 1px solid {p.line}; }}
    #strip {{ background: {p.ground}; border-top: 1px solid {p.line}; }}
    #toast {{ background: {p.raised}; border: 1px solid {p.line}; border-radius: {s(6)}px; }}
    #toast[level="warning"] {{ border: 1px solid {p.warning}; }}
    #toast[level="error"] {{ border: 1px solid {p.error}; }}
    #banner {{ background: {p.black}; border: 2px solid {p.error}; border-radius: {s(6)}px; }}
    #veil {{ background: rgba(0, 0, 0, 190); }}
    """


def contrast_ratio(one: str, other: str) -> float:
    """Return the contrast of two ``#rrggbb`` colours after WCAG 2.1: 1 (equal) to 21."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
