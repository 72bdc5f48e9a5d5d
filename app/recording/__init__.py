"""The files, both ways: record, snapshot, replay, recover."""

from app.recording.files import DiskReport, check_disk, disk_speed, free_path
from app.recording.finish import RecordingSummary, Unfinished, find_unfinished, recover
from app.recording.metadata import RunMetadata
from app.recording.writer import Recorder, RecorderStatus

__all__ = [
    "DiskReport",
    "Recorder",
    "RecorderStatus",
    "RecordingSummary",
    "RunMetadata",
    "Unfinished",
    "check_disk",
    "disk_speed",
    "find_unfinished",
    "free_path",
    "recover",
]
