"""The report is one file that needs nothing else, says what it was given, and lets no text become markup."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recording import RunMetadata
from app.recording.report import CountPoint, SessionReport, render_report, write_report
from app.settings import Settings

META = RunMetadata.from_settings(Settings(), camera="Camera (simulated)", model_name="fast", model_sha256="cd" * 32)


def make_report(**values):
    counts = [CountPoint(i / 10, 40 + i % 5, (36 + i % 5, 45 + i % 5), fit=i % 7 != 0) for i in range(100)]
    known = {
        "counts": counts,
        "frames": {"grabbed": 449},
        "losses": {"camera": 0},
        "dose": {"405": "1.2 J"},
        "pictures": [("The last frame", np.zeros((20, 30, 3), np.uint8))],
        "files": [Path("somewhere/run.ome.tif")],
        "provider": "CPU",
        "notes": ["All lights were off at the end."],
    }
    return SessionReport(META, 1.7e9, 1.7e9 + 75, **(known | values))


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in {"src", "href", "action", "data"}]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_it_says_everything_and_asks_the_network_for_nothing():
    text = render_report(make_report())
    for words in (
        "Camera (simulated)",
        "cd" * 32,
        "1 min 15 s",
        "1.2 J",
        "run.ome.tif",
        "449",
        "All lights",
        "20× / 0.4",
    ):
        assert words in text
    assert all(link.startswith("data:") for link in read(text).links)
    assert not re.search(r"https?://|url\(|@import|<script", text)
    assert "somewhere/" not in text and "default-src 'none'" in text


def test_the_chart_is_well_formed_and_shows_what_is_not_fit():
    text = render_report(make_report())
    svg = ElementTree.fromstring(re.search(r"<svg.*?</svg>", text, re.DOTALL).group())
    assert len(svg.findall("circle")) == 15 and len(svg.findall("polygon")) == 1
    assert len(svg.find("polyline").get("points").split()) == 85


@pytest.mark.parametrize("counts", [[], [CountPoint(0.0, 0)], [CountPoint(i, 0, fit=False) for i in range(3)]])
def test_few_counts_are_no_trouble(counts):
    read(render_report(make_report(counts=counts)))


def test_an_empty_session_has_no_empty_sections():
    text = render_report(SessionReport(RunMetadata(), 1.7e9, 1.7e9))
    assert "Count over time" not in text and "Pictures" not in text and "Settings" not in text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.lists(st.integers(0, 10**6), max_size=5), st.floats(0, 1e6))
def test_no_text_becomes_markup(words, counts, seconds):
    hostile = f"</td><script>{words}"
    meta = RunMetadata(sample=hostile, operator=hostile, camera=hostile, settings={hostile: hostile})
    points = [CountPoint(seconds * i, count) for i, count in enumerate(counts)]
    text = render_report(make_report(counts=points, notes=[hostile], dose={hostile: hostile}))
    text += render_report(SessionReport(meta, 1.7e9, 1.7e9 + seconds, frames={hostile: 1}))
    assert "<script" not in text


def test_it_never_overwrites(tmp_path):
    first = write_report(tmp_path / "report.html", make_report())
    second = write_report(tmp_path / "report.html", make_report())
    assert (first.name, second.name) == ("report.html", "report-2.html")
