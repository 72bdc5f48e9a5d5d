"""What the doctor and the first start find, on machines made of files."""

import os
import sys
from pathlib import Path

import pytest

from app import doctor
from app.hardware import basler, serial_port, usb
from app.hardware.serial_port import PortInfo


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without cameras or ports; cameras are plugged in by `plug`."""
    system, devices = tmp_path / "sys", tmp_path / "dev"
    system.mkdir()
    monkeypatch.setattr(basler, "list_cameras", lambda: [])
    monkeypatch.setattr(serial_port, "list_ports", lambda: ())
    plugged = usb.plugged_cameras
    monkeypatch.setattr(usb, "plugged_cameras", lambda: plugged(system, devices))
    memory = tmp_path / "usbfs_memory_mb"
    memory.write_text("1000\n")
    given = usb.usb_memory_mb
    monkeypatch.setattr(usb, "usb_memory_mb", lambda: given(memory))

    def plug(*, speed="5000", vendor="2676", mine=True):
        socket = system / f"2-{len(list(system.iterdir())) + 1}"
        socket.mkdir()
        for name, text in {"idVendor": vendor, "product": "daA3840-45um", "speed": speed}.items():
            (socket / name).write_text(text + "\n")
        (socket / "busnum").write_text("2\n")
        (socket / "devnum").write_text("7\n")
        node = devices / "002" / "007"
        node.parent.mkdir(parents=True, exist_ok=True)
        if mine:
            node.touch()

    plug.memory = memory
    return plug


def check(name):
    return next(each for each in doctor.look_for_devices().checks if each.name == name)


def test_a_machine_with_nothing_says_what_to_plug_in(machine):
    found = doctor.look_for_devices()
    assert found.cameras == ()
    assert [each.name for each in found.checks] == ["camera", "usb", "ports"]
    assert "cable" in check("camera").text


def test_a_camera_that_only_root_may_open_comes_with_the_rule_that_opens_it(machine):
    machine(mine=False)
    told = check("camera")
    assert told.state == "bad"
    assert "daA3840-45um" in told.text
    assert told.fix.startswith("sudo cp ")
    rule = told.fix.split()[2]
    assert os.path.isfile(rule), "the command can be pasted as it is"
    assert "2676" in Path(rule).read_text(encoding="utf-8")


def test_a_camera_that_may_be_opened_and_is_not_seen_is_told(machine):
    machine()
    told = check("camera")
    assert told.state == "bad"
    assert "pylon does not see it" in told.text


def test_other_peoples_usb_devices_are_no_cameras(machine):
    machine(vendor="046d", mine=False)
    assert check("camera").state == "note"


def test_a_usb_2_socket_is_told(machine):
    machine(speed="480")
    assert "USB 3 socket" in check("usb").text
    assert check("usb").state == "bad"


def test_too_little_memory_for_frames_comes_with_the_command_that_raises_it(machine):
    machine.memory.write_text("16\n")
    told = check("usb")
    assert "16 MB" in told.text
    assert told.fix.startswith("echo 1000 | sudo tee ")
    machine.memory.write_text("0\n")
    assert check("usb").state == "ok", "0 is no limit"
    machine.memory.unlink()
    assert check("usb").state == "ok"


def test_a_port_that_may_not_be_opened_comes_with_the_command_that_opens_it(machine, monkeypatch):
    monkeypatch.setattr(serial_port, "list_ports", lambda: (PortInfo("/nowhere/ttyACM0", "box", "n/a"),))
    told = check("ports")
    assert told.state == ("bad" if os.name == "posix" else "ok")
    assert "/nowhere/ttyACM0" in told.text
    assert told.fix == ("sudo usermod -aG dialout $USER" if os.name == "posix" else "")


def test_pylon_that_does_not_work_is_a_check_and_no_end(machine, monkeypatch):
    from app.errors import CameraError

    def broken():
        raise CameraError("pylon could not look for cameras; reinstall pypylon (x).")

    monkeypatch.setattr(basler, "list_cameras", broken)
    assert doctor.look_for_devices().cameras == ()
    assert check("camera").state == "bad"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a display that is not there is X11's")
@pytest.mark.parametrize("there", [True, False])
def test_a_display_that_qt_cannot_use_is_told(monkeypatch, there):
    monkeypatch.setattr("PySide6.QtWidgets.QApplication.instance", lambda: None)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen" if there else "xcb")
    monkeypatch.setenv("DISPLAY", ":4711")
    told = next(each for each in doctor.examine() if each.name == "window")
    assert told.state == ("ok" if there else "bad")
    assert ("apt-get install" in told.text) is not there
