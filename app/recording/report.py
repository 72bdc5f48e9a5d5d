"""The session report: one HTML file with everything in it, that opens anywhere and asks the network for nothing."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from statistics import fmean, median
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from app.recording.files import Progress, nobody_listens, write_together
from app.recording.metadata import RunMetadata


@dataclass(frozen=True, slots=True)
class CountPoint:
    """One count: seconds since the start, nuclei, the 90 % interval where the model has one, and whether it is fit."""

    time_s: float
    count: int
    interval: tuple[int, int] | None = None
    fit: bool = True


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What a session was.

    Attributes
    ----------
    meta : RunMetadata
    started_unix_s, ended_unix_s : float or None
        None where nobody knows.
    counts : sequence of CountPoint
        In time order.
    frames, losses : mapping of str to int
        E.g. ``{"grabbed": 2694}`` and ``{"camera": 0, "display (skipped)": 1320}``.
    dose : mapping of str to str
        Channel → what it had, with its unit.
    pictures : sequence of (str, ndarray of uint8, shape (H, W, 3))
        Captions and RGB pictures.
    files : sequence of Path
        What the session saved; named without their folders.
    provider : str
        What ran the model.
    notes : sequence of str
        Sentences for the reader.
    corrected : mapping of str to str
        Picture → its count by the model and its count after correction by hand.
    timed : bool
        False where nobody knows when the frames were taken: `CountPoint.time_s` is then the number of the frame.
    """

    meta: RunMetadata
    started_unix_s: float | None
    ended_unix_s: float | None
    counts: Sequence[CountPoint] = ()
    frames: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    dose: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[tuple[str, NDArray[np.uint8]]] = ()
    files: Sequence[Path] = ()
    provider: str = ""
    notes: Sequence[str] = ()
    corrected: Mapping[str, str] = field(default_factory=dict)
    timed: bool = True


def write_report(path: Path, report: SessionReport, progress: Progress = nobody_listens) -> Path:
    """Write the report and return its path; -2, -3… is appended to the name where it exists.

    Raises
    ------
    RecordingError
        The disk refused; nothing is left behind.
    """
    progress(0.0)
    text = render_report(report)
    progress(0.9)
    suffix = path.suffix or ".html"
    return write_together(path.parent, path.stem, {suffix: lambda p: _save(p, text)})[suffix]


def _save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def render_report(report: SessionReport) -> str:
    """Return the report as one HTML document."""
    meta = report.meta
    title = meta.sample or "Session"
    if report.started_unix_s is not None:
        title += f", {datetime.fromtimestamp(report.started_unix_s, UTC):%d %B %Y, %H:%M} UTC"
    sections = [
        f"<header><p class='mark'>dapiscope session report</p><h1>{escape(title)}</h1>{_tiles(report)}</header>",
        _section(
            "Count over time" if report.timed else "Counts", _chart(report.counts, "s" if report.timed else "frame")
        ),
        _section("Corrected by hand", _table(report.corrected)),
        _section("Pictures", "".join(_figure(caption, picture) for caption, picture in report.pictures)),
        _section("Run", _table(_run(report))),
        _section("Frames and losses", _table({**report.frames, **{f"lost: {k}": v for k, v in report.losses.items()}})),
        _section("Light dose", _table(report.dose)),
        _section("Files", _list([path.name for path in report.files])),
        _section("Notes", _list(report.notes)),
        _section("Settings", _settings(meta.settings)),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'\"><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(sections)}"
        f"<footer>Made by {escape(meta.software)}.</footer></body></html>"
    )


def _tiles(report: SessionReport) -> str:
    fit = [point for point in report.counts if point.fit]
    values: dict[str, str] = {}
    if report.started_unix_s is not None and report.ended_unix_s is not None:
        values["duration"] = _duration(report.ended_unix_s - report.started_unix_s)
    if fit:
        values["last count"] = f"{fit[-1].count}{_interval(fit[-1])}"
        values["median count"] = f"{median(point.count for point in fit):g}"
        values["mean count"] = f"{fmean(point.count for point in fit):.1f}"
    if report.counts:
        values["counts fit to use"] = f"{len(fit)} of {len(report.counts)}"
    tiles = (f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in values.items())
    return f"<div class='tiles'>{''.join(tiles)}</div>"


def _interval(point: CountPoint) -> str:
    return f" ({point.interval[0]}–{point.interval[1]})" if point.interval else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _run(report: SessionReport) -> dict[str, Any]:
    meta = report.meta
    objective = f"{meta.magnification:g}×" if meta.magnification else ""
    if meta.numerical_aperture:
        objective += f" / {meta.numerical_aperture:g}"
    rows = {
        "Sample": meta.sample,
        "Operator": meta.operator,
        "Camera": meta.camera,
        "Light source": meta.light,
        "Objective": objective,
        "Model": meta.model_name,
        "Model SHA-256": meta.model_sha256,
        "Runs on": report.provider,
        "Software": meta.software,
        "Began": _moment(report.started_unix_s),
        "Ended": _moment(report.ended_unix_s),
    }
    return {name: value for name, value in rows.items() if value}


def _moment(unix_s: float | None) -> str:
    return "" if unix_s is None else datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds")


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _table(rows: Mapping[str, Any]) -> str:
    cells = (f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
    return f"<table>{''.join(cells)}</table>" if rows else ""


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""


def _settings(settings: Mapping[str, Any]) -> str:
    text = json.dumps(dict(settings), indent=2, ensure_ascii=False, default=str)
    return f"<details><summary>All settings in force</summary><pre>{escape(text)}</pre></details>" if settings else ""


def _figure(caption: str, picture: NDArray[np.uint8]) -> str:
    data = base64.b64encode(imagecodecs.png_encode(np.ascontiguousarray(picture), level=6)).decode()
    text = escape(caption)
    return f"<figure><img src='data:image/png;base64,{data}' alt='{text}'><figcaption>{text}</figcaption></figure>"


_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _MOST_POINTS = 860, 260, 48, 34, 600


def _chart(points: Sequence[CountPoint], unit: str) -> str:
    """Return the counts as an SVG: the interval as a band, counts as a line, unfit ones as hollow dots."""
    if not points:
        return ""
    shown = [points[round(i)] for i in np.linspace(0, len(points) - 1, min(len(points), _MOST_POINTS))]
    highest = max(max(p.count, p.interval[1] if p.interval else 0) for p in shown)
    step = _nice_step(max(highest, 1) / 4)
    top = float(step * math.ceil(max(highest, 1) / step))
    first, span = shown[0].time_s, max(shown[-1].time_s - shown[0].time_s, 1e-9)

    def x(point: CountPoint) -> float:
        return round(float(_LEFT + (point.time_s - first) / span * (_WIDTH - _LEFT - 12)), 1)

    def y(value: float) -> float:
        return round(float(12 + (1 - value / top) * (_HEIGHT - _BOTTOM - 12)), 1)

    parts = [
        f"<line x1='{_LEFT}' x2='{_WIDTH - 12}' y1='{y(v)}' y2='{y(v)}' class='grid'/>"
        f"<text x='{_LEFT - 8}' y='{y(v) + 4}' text-anchor='end'>{v:g}</text>"
        for v in np.arange(0, top + step / 2, step)
    ]
    band = [p for p in shown if p.interval]
    if band:
        upper = " ".join(f"{x(p)},{y(p.interval[1])}" for p in band if p.interval)
        lower = " ".join(f"{x(p)},{y(p.interval[0])}" for p in reversed(band) if p.interval)
        parts.append(f"<polygon points='{upper} {lower}' class='band'/>")
    line = " ".join(f"{x(p)},{y(p.count)}" for p in shown if p.fit)
    parts.append(f"<polyline points='{line}' class='line'/>")
    parts += [f"<circle cx='{x(p)}' cy='{y(p.count)}' r='2.5' class='unfit'/>" for p in shown if not p.fit]
    ends = ((_LEFT, "start", first), (_WIDTH - 12, "end", first + span))
    parts += [f"<text x='{at}' y='{_HEIGHT - 12}' text-anchor='{how}'>{_at(t, unit)}</text>" for at, how, t in ends]
    legend = "Nuclei in view" + (", with the model's 90 % interval" if band else "")
    if any(not p.fit for p in shown):
        legend += "; hollow: not fit to use"
    svg = f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{escape(legend)}'>{''.join(parts)}</svg>"
    return f"<figure class='chart'>{svg}<figcaption>{escape(legend)}.</figcaption></figure>"


def _at(t: float, unit: str) -> str:
    return f"{t:.0f} s" if unit == "s" else f"{unit} {t:.0f}"


def _nice_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1, 2, 5) if m * power >= rough and m * power >= 1), max(10 * power, 1.0))


_STYLE = """
:root{color-scheme:light dark;--ink:#17151f;--soft:#6b6678;--paper:#fbfaff;--card:#fff;--edge:#e4e0f0;--violet:#6b4bd8}
@media (prefers-color-scheme:dark){:root{--ink:#eeebf7;--soft:#a39db5;--paper:#131118;--card:#1c1924;--edge:#322d40;
--violet:#a68bff}}
*{box-sizing:border-box}body{margin:0 auto;max-width:960px;padding:40px 24px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:28px;margin:4px 0 20px}h2{font-size:17px;margin:0 0 12px}.mark{color:var(--violet);font-weight:600;
margin:0}section{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:20px 24px;margin:20px 0}
.tiles{display:flex;flex-wrap:wrap;gap:12px}.tiles div{background:var(--card);border:1px solid var(--edge);
border-radius:12px;padding:12px 18px;min-width:130px}.tiles b{display:block;font-size:22px;font-variant-numeric:
tabular-nums}.tiles span,figcaption,footer,th{color:var(--soft)}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--edge);vertical-align:top;font-weight:400;
overflow-wrap:anywhere}th{width:220px}tr:last-child>*{border-bottom:0}figure{margin:0 0 16px}img{max-width:100%;
border-radius:8px;display:block}figcaption{font-size:13px;margin-top:6px}svg{width:100%;height:auto}
svg text{font-size:12px;fill:var(--soft)}.grid{stroke:var(--edge)}.band{fill:var(--violet);opacity:.18}
.line{fill:none;stroke:var(--violet);stroke-width:2;stroke-linejoin:round}.unfit{fill:none;stroke:var(--soft)}
pre{overflow:auto;font-size:13px}footer{font-size:13px;text-align:center}
@media print{body{padding:0}section{break-inside:avoid}}
"""
