"""The pictures on the buttons: 24×24 line drawings, coloured when they are drawn."""

# ruff: noqa: E501 - one line an entry is what makes this a table

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton

from app.gui.theme import THEME

_BODY = '<path d="M4 8h3.2l1.6-2.6h6.4L16.8 8H20a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1z"/>'
_BULB = (
    '<path d="M9.3 17.5h5.4M10 20.5h4M12 3.5a6 6 0 0 0-3.4 10.9c.6.5.9 1 .9 1.7h5c0-.7.3-1.2.9-1.7A6 6 0 0 0 12 3.5z"/>'
)

DRAWINGS: dict[str, str] = {
    "live": '<path d="M7 4.5v15l12-7.5z" fill="C"/>',
    "stop": '<rect x="6" y="6" width="12" height="12" rx="1.5" fill="C"/>',
    "snap": f'{_BODY}<circle cx="12" cy="13" r="3.6"/>',
    "snap-segment": f'{_BODY}<circle cx="9.6" cy="12.6" r="2.2" fill="C"/><circle cx="14.6" cy="14.6" r="1.9" fill="C"/>',
    "record": '<circle cx="12" cy="12" r="6.5" fill="C"/>',
    "open": '<path d="M3 18.5V6a1 1 0 0 1 1-1h5l2 2.4h8a1 1 0 0 1 1 1v2M3 18.5l3-8h16l-3 8z"/>',
    "folder": '<path d="M3 18V6a1 1 0 0 1 1-1h5l2 2.4h9a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1z"/>',
    "lights-off": f'{_BULB}<path d="M4 4l16 16" stroke-width="2.4"/>',
    "light": _BULB,
    "fullscreen": '<path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"/>',
    "contrast": '<circle cx="12" cy="12" r="8"/><path d="M12 4a8 8 0 0 1 0 16z" fill="C"/>',
    "fit": '<rect x="3.5" y="6" width="17" height="12" rx="1"/><path d="M7 12h10M7 12l2-2M7 12l2 2M17 12l-2-2M17 12l-2 2"/>',
    "actual": '<rect x="3.5" y="5" width="17" height="14" rx="1"/><path d="M8 9v6M16 9v6M12 10.4v.2M12 13.6v.2"/>',
    "zoom-in": '<circle cx="10.5" cy="10.5" r="6"/><path d="M15 15l5.5 5.5M10.5 8v5M8 10.5h5"/>',
    "zoom-out": '<circle cx="10.5" cy="10.5" r="6"/><path d="M15 15l5.5 5.5M8 10.5h5"/>',
    "help": '<circle cx="12" cy="12" r="8.5"/><path d="M9.6 9.6a2.5 2.5 0 1 1 3.4 2.3c-.7.3-1 .8-1 1.6M12 16.6v.2"/>',
    "overlay": '<path d="M9 5.5c4-1 7 1.500 6.500 5.500s-5 6-8.500 4.500-3-8.500 2-10z"/><path d="M17 13.500c2 .5 3 2.500 1.800 4.300s-3.800 1.700-5 .7"/>',
    "count": '<path d="M5 4v16M9 4v16M13 4v16M17 4v16M3 17L20 8"/>',
    "quit": '<path d="M12 3.500v8M6.500 6.800a8 8 0 1 0 11 0"/>',
    "folded": '<path d="M8 5l8 7-8 7z" fill="C"/>',
    "unfolded": '<path d="M5 8l7 8 7-8z" fill="C"/>',
    "play": '<path d="M7 4.5v15l12-7.5z" fill="C"/>',
    "pause": '<rect x="6.500" y="5" width="4" height="14" rx="1" fill="C"/><rect x="13.500" y="5" width="4" height="14" rx="1" fill="C"/>',
    "step-back": '<path d="M18 5v14L8 12z" fill="C"/><path d="M6 5v14"/>',
    "step": '<path d="M6 5v14l10-7z" fill="C"/><path d="M18 5v14"/>',
    "exposure": '<circle cx="12" cy="12" r="4"/><path d="M12 3v2.5M12 18.5V21M3 12h2.5M18.5 12H21M5.600 5.600l1.800 1.800M16.600 16.600l1.800 1.800M5.600 18.400l1.800-1.800M16.600 7.400l1.800-1.800"/>',
    "field": '<rect x="4" y="5" width="11" height="9" rx="1"/><path d="M18 9h2v10H9v-2M9.500 9.500v.2"/>',
    "loop": '<path d="M4 11a6 6 0 0 1 6-5h7M14 3l3 3-3 3M20 13a6 6 0 0 1-6 5H7M10 21l-3-3 3-3"/>',
    "close": '<path d="M6 6l12 12M18 6L6 18"/>',
    "flat-field": '<rect x="3.500" y="5" width="17" height="14" rx="1"/><circle cx="12" cy="12" r="3"/><path d="M6 8h.2M18 8h.2M6 16h.2M18 16h.2" stroke-width="2.4"/>',
    "devices": '<rect x="3.500" y="7" width="9" height="8" rx="1"/><path d="M12.500 9.500l4-1.500v6l-4-1.500M8 15v4M5.500 19h5M20 7v8M18.500 19h3M20 15v4"/>',
    "language": '<circle cx="12" cy="12" r="8.500"/><path d="M3.500 12h17M12 3.500c-5 5-5 12 0 17M12 3.500c5 5 5 12 0 17"/>',
    "tour": '<path d="M5 20V5M5 5h12l-2.500 3.500L17 12H5"/>',
    "menu": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "panels": '<rect x="3.500" y="5" width="17" height="14" rx="1"/><path d="M14.500 5v14M16.800 9h1.500M16.800 12h1.500"/>',
    "charts": '<path d="M4 4v16h16M7 15l4-5 3 3 5-7"/>',
    "histogram": '<path d="M4 20V14h3v6M9 20V8h3v12M14 20V5h3v15M19 20v-7"/>',
    "table": '<rect x="3.500" y="5" width="17" height="14" rx="1"/><path d="M3.500 9.500h17M3.500 14h17M10 5v14"/>',
    "focus": '<path d="M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4"/><circle cx="12" cy="12" r="3" fill="C"/>',
    "correct": '<path d="M5 19l1-4L16 5l3 3L9 18zM14 7l3 3"/>',
    "add-nucleus": '<path d="M4 12a7 6 0 1 0 14 0a7 6 0 1 0-14 0M11 9v6M8 12h6"/>',
    "remove-nucleus": '<path d="M4 12a7 6 0 1 0 14 0a7 6 0 1 0-14 0M8 12h6"/>',
    "split-nuclei": '<path d="M9.500 6a4.500 6 0 1 0 0 12M14.500 6a4.500 6 0 1 1 0 12M12 3.500v17"/>',
    "merge-nuclei": '<path d="M3.500 12h6M7 9l3 3-3 3M20.500 12h-6M17 9l-3 3 3 3M12 5v14"/>',
    "undo": '<path d="M9 5L4.500 9.500 9 14M4.500 9.500H14a5 5 0 0 1 0 10h-4"/>',
    "redo": '<path d="M15 5l4.500 4.500L15 14M19.500 9.500H10a5 5 0 0 0 0 10h4"/>',
    "plan": '<path d="M4 5.500h16v14H4zM4 9.500h16M8 3.500v3M16 3.500v3M7.500 13h3M13.500 13h3M7.500 16.300h3"/>',
    "preset": '<path d="M5 7h9M18 7h1M5 12h2M11 12h8M5 17h7M16 17h3"/><circle cx="16" cy="7" r="2"/><circle cx="9" cy="12" r="2"/><circle cx="14" cy="17" r="2"/>',
    "doctor": '<path d="M4 12h4l2-5 4 10 2-5h4"/>',
    "moon": '<path d="M19 14.500A8 8 0 0 1 9.500 5a8 8 0 1 0 9.500 9.500z"/>',
    "letters": '<path d="M3 18L8 6l5 12M4.800 14h6.400M14.500 18l3-8 3 8M15.500 15.500h4"/>',
    "palette": '<circle cx="9" cy="10" r="5"/><circle cx="15" cy="10" r="5"/><circle cx="12" cy="15" r="5"/>',
    "warning": '<path d="M12 4L2.500 20h19z"/><path d="M12 10v5M12 17.300v.2"/>',
    "export": '<path d="M12 14V4M8.500 7.500L12 4l3.500 3.500M4 14v5a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-5"/>',
    "crosshair": '<circle cx="12" cy="12" r="5"/><path d="M12 2.500v6M12 15.500v6M2.500 12h6M15.500 12h6"/>',
    "profile": '<path d="M4 19L19 4"/><circle cx="4.500" cy="18.500" r="1.600" fill="C"/><circle cx="19" cy="4.500" r="1.600" fill="C"/><path d="M9 20l3-3 2 2 3-6 3 2"/>',
    "composite": '<rect x="3.500" y="3.500" width="11" height="11" rx="1"/><rect x="9.500" y="9.500" width="11" height="11" rx="1"/><path d="M12 12h.2M12 14h2M14 12h.2" stroke-width="2.4"/>',
    "compare": '<rect x="3.500" y="5" width="17" height="14" rx="1"/><path d="M12 5v14"/><circle cx="7.800" cy="12" r="2"/><circle cx="16.200" cy="10" r="1.600" fill="C"/><circle cx="16.500" cy="14.500" r="1.600" fill="C"/>',
    "info": '<circle cx="12" cy="12" r="8.500"/><path d="M12 11v5.500M12 7.500v.2"/>',
    "report": '<path d="M6 3.500h9l4 4V20a.8.8 0 0 1-.8.8H6A.8.8 0 0 1 5.200 20V4.300A.8.8 0 0 1 6 3.500zM15 3.500v4h4M8.500 12h7M8.500 15.500h7"/>',
}  # fmt: skip
"""Name to SVG shapes; ``C`` stands for the colour."""


def icon(name: str, color: str | None = None) -> QIcon:
    """Return an icon in the theme's own colours for normal, checked and disabled; `color` is instead of the first."""
    p = THEME.palette
    result = QIcon()
    for mode, state, ink in (
        (QIcon.Mode.Normal, QIcon.State.Off, color or p.text),
        (QIcon.Mode.Normal, QIcon.State.On, p.on_accent),
        (QIcon.Mode.Disabled, QIcon.State.Off, p.muted),
    ):
        result.addPixmap(pixmap(name, ink, 40), mode, state)
    return result


def show_icon(button: QAbstractButton, name: str) -> None:
    """Put an icon on a button; in another theme the window draws it anew by the name that stays with it."""
    button.setProperty("drawing", name)
    button.setIcon(icon(name))


def pixmap(name: str, color: str, size: int) -> QPixmap:
    """Return the drawing `name` in `color`, `size` pixels wide and high.

    Raises
    ------
    KeyError
        When there is no such drawing.
    """
    key = f"dapiscope {name} {color} {size}"
    kept = QPixmap()
    if QPixmapCache.find(key, kept):
        return kept
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{color}" '
        f'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">'
        f"{DRAWINGS[name].replace(chr(34) + 'C' + chr(34), chr(34) + color + chr(34))}</svg>"
    )
    out = QPixmap(QSize(size, size))
    out.fill(Qt.GlobalColor.transparent)
    painter = QPainter(out)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, size, size))
    painter.end()
    QPixmapCache.insert(key, out)
    return out
