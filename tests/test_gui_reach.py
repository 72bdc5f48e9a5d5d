"""All widgets, also what opens later: reached with keys, seen when focused, named, and legible."""

# ruff: noqa: F401, F811 - fixtures are found by their names

from collections import Counter

import numpy as np
import pytest
from gui_fake_session import make_frame, make_result
from gui_window import LATER, everything_open, make_window, open_dialogs, open_later, session, shown, window
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QImage, QKeySequence, QRegion
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QToolBar,
    QWidget,
)

import app.build
from app import doctor
from app.doctor import Check
from app.events import RecordingChanged, ReplayMoved, State, StateChanged
from app.gui.actions import ACTIONS, MENUS
from app.gui.panels.histogram import Histogram
from app.gui.panels.replay_bar import Timeline
from app.gui.theme import DARK, RED, THEME, contrast_ratio
from app.gui.viewer import Viewer

KINDS = (
    QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QTabBar,
    Viewer, Histogram, Timeline,
)  # fmt: skip


def interactive(root: QWidget) -> list[QWidget]:
    """Return what can be worked below `root`, without the parts that other widgets are made of."""
    found = []
    for widget in root.findChildren(QWidget):
        if not isinstance(widget, KINDS) or not widget.isVisible() or not widget.isEnabled():
            continue
        parent = widget.parentWidget()
        inside = isinstance(parent, QAbstractSpinBox | QComboBox | QTabBar) or isinstance(widget, QScrollBar)
        if inside or widget.objectName().startswith("qt_") or type(widget).__name__ in ("QHeaderView", "ViewBox"):
            continue
        if isinstance(parent, QAbstractItemView) or any(isinstance(p, QAbstractItemView) for p in ancestors(widget)):
            continue
        found.append(widget)
    return found


def ancestors(widget):
    """Yield the widgets that hold this one."""
    while (widget := widget.parentWidget()) is not None:
        yield widget


def named(widget) -> str:
    """Return what a failure should call it."""
    text = widget.text() if hasattr(widget, "text") and callable(widget.text) else ""
    return f"{type(widget).__name__} {widget.objectName()!r} {widget.accessibleName()!r} {text!r}"


def by_tab(window) -> list[QWidget]:
    """Press Tab until the focus is back where it began; return everything that had it."""
    window.viewer.setFocus()
    window.activateWindow()
    seen: list[QWidget] = []
    for _ in range(400):
        here = QApplication.focusWidget()
        if here is None or (seen and here is seen[0]):
            break
        seen.append(here)
        QTest.keyClick(here, Qt.Key.Key_Tab)
    return seen


def unreached(window) -> list[str]:
    """Return what neither Tab leads to nor a key of its own works."""
    reached = by_tab(window)
    missed = []
    for widget in interactive(window):
        if widget in reached or widget.focusProxy() in reached:
            continue
        if any(part in reached for part in widget.findChildren(QWidget)):
            continue  # an editable list, say, whose field takes the focus
        action = widget.defaultAction() if hasattr(widget, "defaultAction") else None
        if isinstance(widget.parentWidget(), QToolBar):
            keys = action.shortcut() if action is not None else widget.shortcut()
            if not keys.isEmpty():
                continue
        missed.append(named(widget))
    return missed


def silent(window) -> list[str]:
    """Return what does not say what it is, to eyes and to screen readers."""
    found = []
    for widget in interactive(window):
        if isinstance(widget, QTabBar):
            if not all(widget.tabToolTip(i) and widget.tabText(i) for i in range(widget.count())):
                found.append(named(widget))
            continue
        name = widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton) else "")
        # A tip over the picture would hide the sample; screen readers are told what it can do.
        told = widget.accessibleDescription() if isinstance(widget, Viewer) else widget.toolTip()
        if not name or not told:
            found.append(f"{named(widget)} tooltip {widget.toolTip()!r}")
    return found


@pytest.mark.parametrize("language", [None, "de"])
def test_everything_is_reached_with_keys_and_says_what_it_is(qtbot, make_window, monkeypatch, language):
    window = make_window(language=language)
    everything_open(qtbot, window)
    assert unreached(window) + silent(window) == []
    wrong = {}
    for name in LATER:
        part, close = open_later(qtbot, monkeypatch, window, name)
        qtbot.wait(50)
        # What covers the window lets nothing below it be worked.
        within = part if name in ("map of keys", "closing") else window
        if found := [*(unreached(window) if within is window else []), *silent(within)]:
            wrong[name] = found
        close()
    assert wrong == {}


def picture_of(widget) -> QImage:
    """Return what the screen shows of a widget and the few pixels around it."""
    window = widget.window()
    at = widget.mapTo(window, QPoint(0, 0))
    return window.grab(QRect(at, widget.size()).adjusted(-3, -3, 3, 3)).toImage()


def test_the_focus_can_be_seen_on_everything_that_has_it(qtbot, window, session):
    everything_open(qtbot, window)
    reached = by_tab(window)
    assert len(reached) > 30
    for timer in (window._timer,):
        timer.stop()  # what moves by itself proves nothing
    hidden = []
    for widget in reached:
        if not widget.isVisible():
            continue
        window.panel_area.ensureWidgetVisible(widget) if window.panel_area.isAncestorOf(widget) else None
        other = window.viewer if widget is not window.viewer else window.histogram
        other.setFocus(Qt.FocusReason.TabFocusReason)
        before = picture_of(widget)
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        QTest.keyRelease(widget, Qt.Key.Key_Tab)
        if picture_of(widget) == before:
            hidden.append(named(widget))
    assert not hidden, "\n".join(hidden)


def test_a_page_that_is_longer_than_the_window_is_turned_with_keys(qtbot, window, session, monkeypatch):
    long = [Check("models", "note", "A sentence that says what to do next. " * 8)] * 20
    monkeypatch.setattr(doctor, "examine", lambda _folder: long)
    window.actions_by_id["doctor"].trigger()
    page = window.tools.doctor_page
    qtbot.waitUntil(page.again.hasFocus)
    bar = page.findChild(QScrollArea).verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > bar.pageStep())
    QTest.keyClick(page.again, Qt.Key.Key_PageDown)
    assert bar.value() > 0
    QTest.keyClick(page.again, Qt.Key.Key_PageUp)
    assert bar.value() == 0


@pytest.mark.parametrize("menu", MENUS)
def test_every_action_is_done_by_its_key_or_from_the_menu_and_fails_nothing(qtbot, window, session, monkeypatch, menu):
    monkeypatch.setattr(app.build, "make_counter", no_model)
    session.ready()
    session.go_live()
    frame = shown(qtbot, window, session)
    session.last_result = make_result(frame)
    session.count(session.last_result)
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    window.closing.begin = lambda **_: session.calls.append(("closing", ()))
    for spec in (spec for spec in ACTIONS if spec.menu == menu):
        replays = menu == "Replay" or spec.id == "close_replay"
        session.publish(StateChanged(State.REPLAYING if replays else State.LIVE))
        action = window.actions_by_id[spec.id]
        qtbot.wait(10)
        action.setEnabled(True)  # some belong to a state of their own; here the way to them is tried
        if QApplication.activeWindow() is not window:  # without a window manager a menu keeps the keys when it closes
            window.hide()
            window.show()
            window.activateWindow()
            qtbot.waitUntil(window.isActiveWindow)
        window.viewer.setFocus()
        with qtbot.waitSignal(action.triggered, timeout=2000):
            if spec.shortcut:
                QTest.keySequence(window, QKeySequence(spec.shortcut))
            else:
                place = next(m.menu() for m in window.menu.actions() if action in m.menu().actions())
                place.popup(QPoint(0, 0))
                while place.activeAction() is not action:
                    QTest.keyClick(place, Qt.Key.Key_Down)
                QTest.keyClick(place, Qt.Key.Key_Return)
        assert not action.icon().isNull() and action.toolTip(), spec.id
        assert any(action in m.menu().actions() for m in window.menu.actions()), spec.id
        qtbot.wait(5)
        for dialog in window.findChildren(QFileDialog):
            dialog.close()
    assert session.failed_with is None
    if menu == "File":
        assert session.asked("closing")
    del window.closing.begin


def no_model(name):
    """Stand in for a model that would take seconds to load."""
    raise RuntimeError(f"{name} is not loaded in this test.")


# --- contrast, from the pixels ---------------------------------------------------------------------------------------


def inks(widget, sharp=1) -> tuple[str, str]:
    """Return (ground, ink) of a widget on the screen: the commonest colour, and the one farthest from it.

    On a screen that is `sharp` times finer a thin stroke has the whole colour of its ink.
    """
    image = QImage(widget.size() * sharp, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(sharp)
    image.fill(QColor(THEME.palette.ground))
    widget.render(image, QPoint())
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    inner = raw[3 : image.height() - 3, 3 : image.width() - 3, 2::-1].reshape(-1, 3)
    colors = Counter(map(tuple, inner.tolist()))
    ground = "#{:02x}{:02x}{:02x}".format(*colors.most_common(1)[0][0])
    ink = max((f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colors), key=lambda color: contrast_ratio(color, ground))
    return ground, ink


def faint(root) -> list[str]:
    """Return the texts below `root` whose letters are too near to their ground."""
    found = []
    for widget in root.findChildren(QWidget):
        if not widget.isVisible() or min(widget.width(), widget.height()) < 10:
            continue
        if not isinstance(widget, QLabel | QAbstractButton | QAbstractSpinBox | QComboBox | QLineEdit | QTabBar):
            continue
        text = widget.text() if hasattr(widget, "text") else "x"
        if not text or isinstance(widget.parentWidget(), QAbstractSpinBox | QComboBox | QTabBar):
            continue
        if isinstance(widget, QLabel) and not widget.pixmap().isNull():
            continue
        ground, ink = inks(widget)
        if contrast_ratio(ground, ink) < 4.5 and len(text) == 1:
            ground, ink = inks(widget, 3)
        if contrast_ratio(ground, ink) < 4.5:
            found.append(f"{named(widget)}: {ink} on {ground} {contrast_ratio(ground, ink):.1f}")
    return found


@pytest.mark.parametrize(("palette", "language"), [(DARK, None), (RED, None), (DARK, "de")])
def test_every_text_on_the_screen_can_be_read(qtbot, make_window, monkeypatch, palette, language):
    window = make_window(language=language)
    everything_open(qtbot, window)
    window.session.publish(RecordingChanged(True, None, 5, 0.4, 3700.0))
    if palette is RED:
        window.actions_by_id["red_theme"].trigger()
    qtbot.wait(100)
    wrong = {"window": faint(window)}
    for name in LATER:
        part, close = open_later(qtbot, monkeypatch, window, name)
        qtbot.wait(50)
        wrong[name] = faint(part)
        close()
    for dialog in open_dialogs(qtbot, window):
        wrong[dialog.windowTitle()] = faint(dialog)
    assert {name: found for name, found in wrong.items() if found} == {}
    if palette is RED:
        # Not the picture: its badges have the colours of light, as the buttons have.
        dazzling = (window.histogram, window.focus_panel, window.replay_bar, window.charts, window.strip)
        assert [named(part) for part in dazzling if not red_only(part)] == []


def red_only(widget) -> bool:
    """Tell whether nothing on it can be seen by eyes that are used to the dark: no green, no blue."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return bool(raw[..., :2].max() <= 130)
