"""The window in other languages: nothing is left out of the catalogue, nothing of it gets into a file."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import ast
import importlib.util
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from gui_fake_session import FakeSession, make_frame, make_result
from gui_window import session, shown, window
from PySide6.QtCore import QCoreApplication, QLocale, QSettings, QTimer, QTranslator
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QTabWidget,
    QWidget,
)

from app import doctor
from app.doctor import Found
from app.dose import ChannelDose
from app.events import DoseSeen, ReplayMoved, State, StateChanged, Stats, StatsReady
from app.gui import application
from app.gui.actions import ACTIONS
from app.gui.geometry import length_text
from app.gui.language import CATALOGUES, silence, speak, wanted
from app.gui.main_window import MainWindow
from app.gui.store import WindowStore

ROOT = Path(__file__).parents[1]
QT_WORD = ("QPlatformTheme", "Cancel")
GERMAN = QLocale(QLocale.Language.German, QLocale.Country.Germany)


@pytest.fixture(scope="module")
def tool():
    """The script behind `make translations`."""
    spec = importlib.util.spec_from_file_location("translations", ROOT / "packaging" / "translations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(catalogue):
    """Return (English, translation, is finished) of a ``.ts`` file."""
    for message in ET.parse(catalogue).getroot().iter("message"):
        target = message.find("translation")
        yield message.findtext("source"), target.text or "", target.get("type") is None


# --- the catalogues ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("catalogue", sorted(CATALOGUES.glob("*.ts")), ids=lambda path: path.stem)
def test_every_text_of_the_window_is_in_the_catalogue_and_translated(tool, catalogue):
    there = {source: finished and bool(text) for source, text, finished in entries(catalogue)}
    assert there.keys() == tool.strings().keys(), "run `make translations`"
    assert not [source for source, done in there.items() if not done]


@pytest.mark.parametrize("catalogue", sorted(CATALOGUES.glob("*.ts")), ids=lambda path: path.stem)
def test_the_compiled_catalogue_says_what_its_source_says(qapp, catalogue):
    translator = QTranslator()
    assert translator.load(str(catalogue.with_suffix(".qm")))
    stale = [source for source, text, _ in entries(catalogue) if translator.translate("dapiscope", source) != text]
    assert not stale, "run `make translations`"


MARKS = re.compile(r"\{[^}]*\}|\[(?=[^\]]+\])|\(\*[^)]*\)|[%&]\w")
"""What a translation must keep: places to fill, keys in brackets, patterns of files."""


@pytest.mark.parametrize("catalogue", sorted(CATALOGUES.glob("*.ts")), ids=lambda path: path.stem)
def test_places_to_fill_keys_and_patterns_survive_translation(catalogue):
    lost = [
        (source, text)
        for source, text, _ in entries(catalogue)
        if sorted(MARKS.findall(source)) != sorted(MARKS.findall(text))
        or source.startswith(" ") != text.startswith(" ")
        or source.endswith(" ") != text.endswith(" ")
    ]
    assert not lost


def test_no_text_is_put_together_before_it_is_looked_up(tool):
    wrong = []
    for path in sorted((ROOT / "app" / "gui").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
                (text,) = node.args
                if isinstance(text, ast.JoinedStr | ast.BinOp | ast.Call | ast.IfExp) and "describe" not in ast.unparse(
                    text
                ):
                    wrong.append(f"{path.name}:{node.lineno} {ast.unparse(text)}")
        # Looked up when the module is loaded, a text would stay English for ever.
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                calls = [n for n in ast.walk(node) if isinstance(n, ast.Call) and ast.unparse(n.func) == "tr"]
                wrong.extend(f"{path.name}:{call.lineno} at import" for call in calls)
    assert not wrong


# --- the choice of the language ----------------------------------------------------------------------------------


class Asks:
    """A locale whose owner prefers these languages."""

    def __init__(self, *tags):
        self.uiLanguages = lambda: list(tags)


@pytest.mark.parametrize(
    ("tags", "language"),
    [
        (("de-DE", "de"), "de"),
        (("de_AT",), "de"),
        (("de-Latn-DE",), "de"),
        (("en-GB", "en", "de"), None),  # English is wanted more than German
        (("xx", "de"), "de"),
        (("xx",), None),
        (("C",), None),
        ((), None),
    ],
)
def test_the_language_is_the_first_wanted_one_that_is_there(tags, language):
    assert wanted(Asks(*tags)) == language


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the environment chooses on Linux only")
@pytest.mark.parametrize(("variables", "says"), [({"LANG": "de_DE.UTF-8"}, "de"), ({"LANGUAGE": "en:de"}, "None")])
def test_the_environment_chooses_the_language(variables, says):
    code = "from PySide6.QtCore import QCoreApplication as A, QLocale; a = A([])\n"
    code += "from app.gui.language import wanted; print(wanted(QLocale()))"
    clean = {k: v for k, v in os.environ.items() if k not in ("LANG", "LANGUAGE") and not k.startswith("LC_")}
    done = subprocess.run([sys.executable, "-c", code], env={**clean, **variables}, capture_output=True, text=True)
    assert done.stdout.strip() == says, done.stderr


@pytest.fixture
def run_once(monkeypatch, tmp_path):
    """Show the window as the command line does, and return what it says on the way."""
    monkeypatch.setattr(application, "wanted", lambda _locale: "de")

    def run(**remembered):
        store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
        for key, value in {"toured": "1", **remembered}.items():
            store.setValue(key, value)
        said = []

        def look():
            window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow) and w.isVisible())
            said.append((window.actions_by_id["live"].toolTip(), QCoreApplication.translate(*QT_WORD)))
            window.closing.begin(unattended=True)

        session = FakeSession()
        session.offer_recovery = lambda _folder: None
        application.run_window(session, begin=look, store=store)
        (pair,) = said
        return pair

    return run


def test_the_window_and_qts_own_dialogs_speak_it(qtbot, run_once):
    tip, dialog = run_once()
    assert tip.startswith("Das Live-Bild starten oder beenden.")
    assert dialog == "Abbrechen"
    assert QCoreApplication.translate(*QT_WORD) == QT_WORD[1], "nothing is left behind"


def test_english_can_be_had_on_any_system(qtbot, run_once):
    tip, dialog = run_once(english="1")
    assert tip.startswith("Start or stop the live picture.")
    assert dialog == "Cancel"


def test_english_is_asked_for_in_the_menu_and_remembered(qtbot, window):
    window.actions_by_id["english"].trigger()
    assert window.store.flag("english", False)
    window.actions_by_id["english"].trigger()
    assert not window.store.flag("english", True)


# --- nothing is left out -----------------------------------------------------------------------------------------


class Marking(QTranslator):
    """Puts every text that is looked up into brackets."""

    def translate(self, context, source, disambiguation=None, n=-1):
        return f"⟦{source}⟧" if context == "dapiscope" else ""

    def isEmpty(self):
        return False


@pytest.fixture
def marked(qapp):
    translator = Marking()
    qapp.installTranslator(translator)
    yield
    qapp.removeTranslator(translator)


LOOKED_UP = re.compile(r"⟦[^⟧]*(⟧|$)")
NAMES = {
    "OME", "TIFF", "Zarr",  # formats of files
    "dapiscope", "fast", "accurate", "paper", "Mono", "CSV", "YAML", "U2OS", "DAPI", "sim", "LED", "CPU",
    "nm", "µm", "mm", "mm²", "ms", "dB", "px", "fps", "min", "MB", "GB", "Esc", "Shift", "Ctrl", "Space",
    "Left", "Right",
}  # fmt: skip
TITLES = ("LED4 1 (simulated)", "dapiscope simulated camera 1")
"""What devices call themselves, on the screen as in every file."""


def bare_words(text):
    """Return the words of a text that nobody looked up."""
    rest = LOOKED_UP.sub(" ", re.sub(r"<[^>]+>", " ", text))
    return [word for word in re.findall(r"[^\W\d_]{2,}", rest) if word not in NAMES]


def said_by(root):
    """Yield (widget, text) of everything that can be read below `root`."""
    for widget in [root, *root.findChildren(QWidget)]:
        if isinstance(widget, QLabel | QAbstractButton):
            yield widget, widget.text()
        if isinstance(widget, QComboBox):
            yield from ((widget, widget.itemText(i)) for i in range(widget.count()))
        if isinstance(widget, QLineEdit):
            yield widget, widget.placeholderText()
        if isinstance(widget, QTabWidget):
            for i in range(widget.count()):
                yield widget, widget.tabText(i)
                yield widget, widget.tabToolTip(i)
        yield widget, widget.toolTip()
        yield widget, widget.accessibleName()


def test_everything_that_can_be_read_was_looked_up(qtbot, marked, window, session, monkeypatch):
    monkeypatch.setattr(doctor, "look_for_devices", lambda _tell: Found((), (), ()))
    monkeypatch.setattr(doctor, "examine", lambda _folder: iter(()))
    session.ready()
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0))
    frame = shown(qtbot, window, session)
    session.count(make_result(frame, interval=(1, 3), flags=("too dim", "saturated", "out of focus", "too crowded")))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    for name in ("presets", "doctor", "plan", "calibrate", "devices", "report", "tour", "help", "correct", "profile"):
        window.actions_by_id[name].setEnabled(True)
        window.actions_by_id[name].trigger()
        qtbot.wait(30)
    left = {}
    for widget, text in said_by(window):
        if widget in (window.segmentation.model_note, window.sample.folder):
            continue  # a checksum, a path
        if text not in TITLES and (words := bare_words(text)):
            left[text] = f"{type(widget).__name__} {widget.objectName()} {words}"
    for action in window.actions():
        for text in (action.text(), action.toolTip()):
            if words := bare_words(re.sub(r"\[[^\]]*\]$", "", text)):
                left[text] = f"action {action.objectName()} {words}"
    assert not left, "\n".join(f"{text!r}: {where}" for text, where in left.items())
    assert len(ACTIONS) <= len(window.actions())


@pytest.fixture
def in_germany():
    before = QLocale()
    QLocale.setDefault(GERMAN)
    yield
    QLocale.setDefault(before)


def test_numbers_on_the_screen_are_written_as_the_country_does(qtbot, in_germany, window, session):
    session.ready()
    session.go_live()
    frame = shown(qtbot, window, session, make_frame(pixel_size_um=0.325))
    session.count(make_result(frame, interval=(1, 3)))
    session.shine("405", 0.255)
    session.publish(
        DoseSeen(1, {"405": ChannelDose(60.0, 12.5)}, 2.5),
        StatsReady(Stats(grabbed=1200, fps_camera=44.9, fps_display=30.1, fps_segment=9.7, latency_ms=81.4)),
    )
    window.actions_by_id["calibrate"].trigger()
    window.actions_by_id["plan"].trigger()
    qtbot.waitUntil(lambda: "12,5 s / 2,5 s" in window.light.dose.text())
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    texts = {text for _, text in said_by(window)} - {window.sample.folder.toolTip()}
    foreign = [text for text in texts if re.search(r"\d\.\d(?!\d\d\b)", text)]  # 1.200 is 1200
    assert not foreign
    assert any(re.search(r"\d,\d", text) for text in texts)
    axis = window.charts.widget(0).getPlotItem().getAxis("left")
    assert axis.tickStrings([0.5, 1.0], 1.0, 0.5) == ["0,5", "1,0"]
    assert length_text(1.5) == "1,5 µm"


# --- files have no language --------------------------------------------------------------------------------------


def files_written(qtbot, session, folder, locale, language):
    """Write everything that the window can write, as somebody of that country; return name → bytes."""
    before = QLocale()
    QLocale.setDefault(locale)
    app = QApplication.instance()
    spoken = speak(app, language)
    folder.mkdir()
    window = MainWindow(session, WindowStore(QSettings(str(folder.with_suffix(".ini")), QSettings.Format.IniFormat)))
    window.folder, window.tools.preset_file = folder, folder / "presets.json"
    window.exports._since = 1.7e9
    window.resize(1366, 768)
    window.show()
    try:
        qtbot.waitExposed(window)
        session.ready()
        for index in range(3):
            frame = session.show(make_frame(index, pixel_size_um=0.325))
            qtbot.waitUntil(lambda frame=frame: window.viewer.frame is frame)
            session.count(make_result(frame, interval=(1, 3)))
            qtbot.waitUntil(lambda n=index: len(window.charts.counted) == n + 1)
        qtbot.waitUntil(lambda: window.viewer.result is not None)
        shown_as = window.camera.exposure.text()
        window.actions_by_id["profile"].trigger()
        qtbot.waitUntil(lambda: window.profile.chart.profile is not None)
        window.profile.export()
        for name in ("export_counts", "export_nuclei", "session_report"):
            window.actions_by_id[name].trigger()
        window.tools.save_preset("mine")
        expected = ("counts.csv", "profile.csv", "live-frame2_export_nuclei.csv", "session-report.html", "presets.json")
        qtbot.waitUntil(lambda: all((folder / name).exists() for name in expected), timeout=20_000)
        qtbot.waitUntil(lambda: len(window.messages.notices) >= 4, timeout=20_000)
    finally:
        window.closing.begin(unattended=True)
        qtbot.waitUntil(lambda: window.closing.done, timeout=10_000)
        window.deleteLater()
        qtbot.wait(1)
        silence(app, spoken)
        QLocale.setDefault(before)
    return shown_as, {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_names_devices_as_they_call_themselves_or_not_at_all(qtbot, marked, window, session):
    def meta_now(source="fake"):
        frame = make_frame(source=source)
        return window.exports._meta(frame, *window.exports.model_of(frame))

    meta = meta_now()
    assert (meta.camera, meta.light) == ("", ""), "“No camera yet” is for the screen"
    session.ready()
    qtbot.waitUntil(lambda: meta_now().camera == TITLES[1])
    assert meta_now().light == TITLES[0]
    told = {"light source": "simulated light"}
    moved = ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0, ("light",), told)
    session.publish(StateChanged(State.REPLAYING), moved)
    qtbot.waitUntil(lambda: window.presenter.replay is not None)
    then = meta_now("a.ome.tif")
    assert (then.camera, then.light) == ("", "simulated light"), "not the devices of today"


VARIES = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?\S*|[0-9a-f]{8}-[0-9a-f-]{27}|data:image/[^\"']+")
"""Moments, unique identifiers and pictures of the screen, which two runs never share."""


def test_files_are_the_same_in_every_country(qtbot, tmp_path):
    english, ours = files_written(qtbot, FakeSession(), tmp_path / "english", QLocale.c(), None)
    german, theirs = files_written(qtbot, FakeSession(), tmp_path / "german", GERMAN, "de")
    assert "." in english and "," in german, "units on the screen are the operator's"
    assert ours.keys() == theirs.keys()
    for name, data in ours.items():
        if name.endswith((".csv", ".json", ".geojson", ".html", ".txt")):
            assert VARIES.sub(b"", theirs[name]) == VARIES.sub(b"", data), name
    assert b"\n0.050,1700000000.050000,1,,2,651.00,0.32500,metadata,,1,3," in theirs["counts.csv"].replace(
        b"\r\n", b"\n"
    )
