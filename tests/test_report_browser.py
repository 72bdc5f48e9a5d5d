"""A session report in a headless Chromium: it shows what it says, and asks the network for nothing."""

import shutil
import socket
import subprocess
import threading

import numpy as np
import pytest
from test_data_commands import counted, record

from app.images import read_image
from app.recording.report import write_report
from app.session_report import report_of

BROWSER = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(300),
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here"),
]


class Network:
    """A proxy that answers nothing, and counts who asks."""

    def __init__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.asked = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                self.asked.append(client.recv(1000).split(b"\r\n")[0])

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@pytest.fixture
def network():
    made = Network()
    yield made
    made.close()


def browse(page, network, tmp_path, *more):
    """Return the page as the browser understood it."""
    command = [BROWSER, "--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1000,1500"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--proxy-server={network.address}"]
    command += ["--proxy-bypass-list=<-loopback>", *more, page.resolve().as_uri()]
    return subprocess.run(command, check=True, capture_output=True, timeout=200, text=True).stdout


def asked_by_pages(network):
    """Return the requests that are not the browser's own."""
    own = (b"google", b"gstatic", b"chromium")
    return [line for line in network.asked if line and not any(name in line for name in own)]


def test_a_report_shows_its_pictures_and_asks_for_nothing(tmp_path, network):
    record(tmp_path, nuclei={"table": "counts.csv"})
    counted(tmp_path / "counts.csv", (12, 50, "", 45, 55), (14, 52))
    page = write_report(tmp_path / "report.html", report_of(tmp_path))
    shown = browse(page, network, tmp_path, "--dump-dom")
    assert "recording.ome.tif" in shown and shown.count("<svg") >= 1 and "data:image" in shown
    browse(page, network, tmp_path, f"--screenshot={tmp_path / 'shot.png'}")
    picture = read_image(tmp_path / "shot.png").pixels
    assert picture.shape == (1500, 1000) and len(np.unique(picture)) > 20
    assert asked_by_pages(network) == []


def test_a_page_that_asks_would_be_noticed(tmp_path, network):
    page = tmp_path / "page.html"
    page.write_text('<img src="http://pictures.example/a.png">')
    browse(page, network, tmp_path, "--dump-dom")
    assert any(b"pictures.example" in line for line in asked_by_pages(network))
