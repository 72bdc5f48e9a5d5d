"""Everything the operator can do, as one table: the toolbar, the menu, the keys, the map of keys and a test read it."""

# ruff: noqa: E501 - one line an entry is what makes this a table

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence

from app.gui.icons import icon
from app.gui.text import tr


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One thing the operator can do.

    Attributes
    ----------
    id : str
    text : str
        On the button and in the menu.
    shortcut : str
        As Qt writes it; empty for none.
    icon : str
        A name in `app.gui.icons.DRAWINGS`.
    tooltip : str
        One sentence.
    handler : str
        ``group.method`` that does it, see `make_actions`; checkable actions hand it True or False.
    menu : str
        The menu it is in.
    checkable : bool
    toolbar : bool
    """

    id: str
    text: str
    shortcut: str
    icon: str
    tooltip: str
    handler: str
    menu: str
    checkable: bool = False
    toolbar: bool = False


ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("live", "Live", "L", "live", "Start or stop the live picture.", "microscope.toggle_live", "Microscope", True, True),
    ActionSpec("snap", "Snap", "Space", "snap", "Take and save one picture with the least light.", "microscope.snap", "Microscope", toolbar=True),
    ActionSpec("snap_segment", "Snap & segment", "S", "snap-segment", "Take one picture, find its nuclei, save picture, outlines and table.", "microscope.snap_segment", "Microscope", toolbar=True),
    ActionSpec("record", "Record", "R", "record", "Record every frame until you stop.", "microscope.toggle_record", "Microscope", True, True),
    ActionSpec("plan", "Acquisition plan", "Q", "plan", "Plan channels and times, see the cost, and take them.", "plans.show_page", "Microscope", toolbar=True),
    ActionSpec("plan_pause", "Pause / resume plan", "Shift+Q", "pause", "Hold the plan that runs, in the dark, or go on with it.", "plans.toggle_pause", "Microscope"),
    ActionSpec("open", "Open recording…", "Ctrl+O", "open", "Replay a recording or a picture file.", "files.open_recording", "File", toolbar=True),
    ActionSpec("open_folder", "Open folder…", "Ctrl+Shift+O", "folder", "Replay a folder of pictures.", "files.open_folder", "File"),
    ActionSpec("close_replay", "Close replay", "Ctrl+W", "close", "Leave the replay and go back to the microscope.", "replay.close", "File"),
    ActionSpec("save_folder", "Where to save…", "Ctrl+Shift+S", "folder", "Choose the folder for snapshots and recordings.", "files.choose_folder", "File"),
    ActionSpec("export_counts", "Export counts", "Ctrl+E", "export", "Write the counts of the chart to a CSV file.", "exports.export_counts", "File"),
    ActionSpec("export_nuclei", "Export nuclei", "Ctrl+Shift+E", "export", "Write picture, labels, table, ImageJ ROIs and GeoJSON of the nuclei on the screen.", "exports.export_nuclei", "File"),
    ActionSpec("session_report", "Session report", "Ctrl+R", "report", "Write counts, losses, picture and settings to one HTML file.", "exports.export_report", "File"),
    ActionSpec("quit", "Quit", "Ctrl+Q", "quit", "Switch all lights off and leave.", "window.close", "File"),
    ActionSpec("lights_off", "All lights off", "Esc", "lights-off", "Switch every light off, at once.", "microscope.all_off", "Light", toolbar=True),
    ActionSpec("channel_1", "Channel 1", "1", "light", "Choose the first channel; in live its light goes on, or off if it shines.", "microscope.channel_1", "Light"),
    ActionSpec("channel_2", "Channel 2", "2", "light", "Choose the second channel; in live its light goes on, or off if it shines.", "microscope.channel_2", "Light"),
    ActionSpec("channel_3", "Channel 3", "3", "light", "Choose the third channel; in live its light goes on, or off if it shines.", "microscope.channel_3", "Light"),
    ActionSpec("channel_4", "Channel 4", "4", "light", "Choose the fourth channel; in live its light goes on, or off if it shines.", "microscope.channel_4", "Light"),
    ActionSpec("new_field", "New field", "D", "field", "Another field is in view: count its light dose from zero.", "microscope.new_field", "Light"),
    ActionSpec("brighter", "More light", "+", "light", "Raise the light by 5 %.", "microscope.brighter", "Light"),
    ActionSpec("dimmer", "Less light", "-", "light", "Lower the light by 5 %.", "microscope.dimmer", "Light"),
    ActionSpec("auto_contrast", "Auto-contrast", "A", "contrast", "Fit black and white to the picture, once, and keep them for this channel.", "view.auto_contrast", "View"),
    ActionSpec("follow_contrast", "Contrast follows the picture", "Shift+A", "contrast", "Fit black and white to every picture anew.", "view.follow_contrast", "View", True),
    ActionSpec("full_contrast", "Full range", "Shift+0", "histogram", "Show the sensor's whole range, black to saturation.", "view.full_contrast", "View"),
    ActionSpec("undo", "Undo", "Ctrl+Z", "undo", "Take back the last change of contrast, or the last correction while you correct.", "view.undo", "View"),
    ActionSpec("redo", "Redo", "Ctrl+Shift+Z", "redo", "Do again what was taken back.", "view.redo", "View"),
    ActionSpec("fit", "Fit", "0", "fit", "Show the whole field.", "view.fit_view", "View"),
    ActionSpec("actual", "1:1", "Z", "actual", "Show one camera pixel as one screen pixel.", "view.actual_size", "View"),
    ActionSpec("zoom_in", "Zoom in", "Ctrl++", "zoom-in", "Enlarge the picture.", "view.zoom_in", "View"),
    ActionSpec("zoom_out", "Zoom out", "Ctrl+-", "zoom-out", "Show more of the field.", "view.zoom_out", "View"),
    ActionSpec("overlay", "Nuclei outlines", "O", "overlay", "Show or hide the outlines of the nuclei.", "view.toggle_overlay", "View", True),
    ActionSpec("ids", "Nucleus numbers", "N", "count", "Show or hide the number of every nucleus.", "view.toggle_ids", "View", True),
    ActionSpec("counting", "Count nuclei", "C", "count", "Find and count nuclei in every picture.", "microscope.toggle_counting", "Microscope", True),
    ActionSpec("tint", "Channel colour", "T", "palette", "Show the picture in the colour of its channel instead of grey.", "view.toggle_tint", "View", True),
    ActionSpec("composite", "Composite", "V", "composite", "Add up the newest picture of every channel, each in its colour.", "layers.toggle", "View", True),
    ActionSpec("limits", "Mark saturation", "M", "warning", "Paint saturated pixels pink and empty ones blue.", "view.toggle_limits", "View", True),
    ActionSpec("crosshair", "Crosshair", "X", "crosshair", "Show the middle of the field.", "view.toggle_crosshair", "View", True),
    ActionSpec("log_histogram", "Logarithmic histogram", "Y", "histogram", "Draw the histogram by the logarithm, so that a few bright pixels show, or as it is.", "view.toggle_log", "View", True),
    ActionSpec("profile", "Line profile", "I", "profile", "Draw a line on the picture and see the grey values along it.", "profile.toggle", "View", True),
    ActionSpec("fullscreen", "Full screen", "F", "fullscreen", "Use the whole screen.", "view.toggle_fullscreen", "View", True, True),
    ActionSpec("panels", "Side panels", "P", "panels", "Show or hide the panels on the right.", "view.toggle_panels", "View", True),
    ActionSpec("charts", "Charts", "B", "charts", "Show or hide histogram and charts below the picture.", "view.toggle_charts", "View", True),
    ActionSpec("bigger_letters", "Larger letters", "Ctrl+Shift+.", "letters", "Make all letters larger, up to 200 %.", "view.bigger_letters", "View"),
    ActionSpec("smaller_letters", "Smaller letters", "Ctrl+Shift+,", "letters", "Make all letters smaller, down to 100 %.", "view.smaller_letters", "View"),
    ActionSpec("red_theme", "Red-light theme", "Ctrl+Shift+R", "moon", "Use deep red only, for eyes used to the dark.", "view.toggle_red", "View", True),
    ActionSpec("auto_exposure", "Auto-exposure", "E", "exposure", "Set exposure and gain by the picture; the light is never raised.", "microscope.auto_exposure", "Microscope"),
    ActionSpec("reset_focus", "Reset focus peak", "G", "focus", "Forget the sharpest value seen and begin anew.", "microscope.reset_focus", "Microscope"),
    ActionSpec("play", "Play / pause", "K", "play", "Play or hold the replay.", "replay.toggle", "Replay"),
    ActionSpec("step_back", "Frame back", "Left", "step-back", "Go back one frame.", "replay.back", "Replay"),
    ActionSpec("step_on", "Frame on", "Right", "step", "Go on by one frame.", "replay.on", "Replay"),
    ActionSpec("compare", "Compare models", "Shift+C", "compare", "Show what another model finds, side by side, and how the two differ.", "compare.toggle", "Replay", True),
    ActionSpec("loop", "Loop", "Shift+L", "loop", "Begin again at the end.", "replay.loop", "Replay", True),
    ActionSpec("correct", "Correct by hand", "H", "correct", "Add, remove, split or merge nuclei on a picture that stands still.", "correct.toggle", "Correct", True),
    ActionSpec("correct_add", "Add", "Ctrl+1", "add-nucleus", "Click a nucleus that was missed, or draw around it.", "correct.add", "Correct", True),
    ActionSpec("correct_remove", "Remove", "Ctrl+2", "remove-nucleus", "Click what is no nucleus.", "correct.remove", "Correct", True),
    ActionSpec("correct_split", "Split", "Ctrl+3", "split-nuclei", "Click two nuclei that were taken for one, or draw a line between them.", "correct.split", "Correct", True),
    ActionSpec("correct_merge", "Merge", "Ctrl+4", "merge-nuclei", "Click one part of a nucleus, then the other.", "correct.merge", "Correct", True),
    ActionSpec("flat_field", "Flat-field correction", "Shift+F", "flat-field", "Show and count without uneven light and dark signal; files stay raw.", "calibration.toggle", "Microscope", True),
    ActionSpec("calibrate", "Flat field and pixel size…", "Ctrl+F", "flat-field", "Take flat fields, measure the size of a pixel, see what is in force.", "calibration.show_page", "Microscope"),
    ActionSpec("presets", "Presets", "Ctrl+P", "preset", "Choose or save settings for a sample.", "tools.show_presets", "Microscope"),
    ActionSpec("doctor", "Check the system", "Ctrl+D", "doctor", "Check window, camera driver, ports, model, disk and say what to do.", "tools.show_doctor", "Help"),
    ActionSpec("devices", "Camera and light…", "Ctrl+Shift+D", "devices", "Look for cameras and light sources, and choose what to work with.", "start.show_devices", "Microscope"),
    ActionSpec("tour", "Tour", "Ctrl+Shift+H", "tour", "Show in five steps what is where.", "start.show_tour", "Help"),
    ActionSpec("report", "Problem report", "Ctrl+Shift+P", "report", "Save versions, settings and messages for whoever helps you; a picture only if you want it.", "files.show_report", "Help"),
    ActionSpec("english", "English", "", "language", "Speak English, whatever language the system has; from the next start on.", "view.toggle_english", "Help", True),
    ActionSpec("messages", "Messages", "Ctrl+M", "info", "Show everything that was said in this session.", "tools.show_messages", "Help"),
    ActionSpec("help", "Map of keys", "?", "help", "Show all keys.", "view.toggle_help", "Help", True),
)  # fmt: skip

MENUS = ("File", "Microscope", "Light", "View", "Replay", "Correct", "Help")


def make_actions(parent: QObject, groups: Mapping[str, object]) -> dict[str, QAction]:
    """Return id → QAction, each connected to its handler, a method of one of the named `groups`."""
    made: dict[str, QAction] = {}
    for spec in ACTIONS:
        action = QAction(icon(spec.icon), tr(spec.text).replace("&", "&&"), parent)
        action.setObjectName(spec.id)
        action.setCheckable(spec.checkable)
        if spec.shortcut:
            action.setShortcuts(shortcuts_of(spec))
            if spec.id == "lights_off":  # from dialogs and open menus as well
                action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
        action.setToolTip(f"{tr(spec.tooltip)}  [{shortcut_text(spec)}]" if spec.shortcut else tr(spec.tooltip))
        action.setAutoRepeat(spec.id in ("brighter", "dimmer", "step_back", "step_on", "zoom_in", "zoom_out"))
        group, _, method = spec.handler.partition(".")
        handler = getattr(groups[group], method)
        if spec.checkable:
            action.triggered.connect(handler)
        else:
            action.triggered.connect(lambda _checked=False, call=handler: call())
        made[spec.id] = action
    return made


def shortcuts_of(spec: ActionSpec) -> list[QKeySequence]:
    """Return the keys of an action; where keyboards differ, every way to type the sign."""
    keys = [QKeySequence(spec.shortcut)]
    if spec.shortcut == "+":
        keys.append(QKeySequence("="))
    elif spec.shortcut == "Ctrl++":
        keys.append(QKeySequence("Ctrl+="))
    elif spec.shortcut == "?":
        keys.append(QKeySequence("F1"))
    return keys


def shortcut_text(spec: ActionSpec) -> str:
    """Return the key as it is printed on the operator's keyboard."""
    return QKeySequence(spec.shortcut).toString(QKeySequence.SequenceFormat.NativeText)
