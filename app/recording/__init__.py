"""The files, both ways: record, snapshot, replay, recover."""

from app.recording.files import DiskReport, check_disk, disk_speed, free_path, make_folder
from app.recording.finish import RecordingSummary, Unfinished, find_unfinished, recover
from app.recording.metadata import RunMetadata
from app.recording.replay import Replay, open_replay
from app.recording.snapshot import SnapshotFiles, save_snapshot
from app.recording.sources import ReplayInfo
from app.recording.tables import NUCLEI_COLUMNS, full_labels, nuclei_rows, write_csv, write_labels
from app.recording.writer import Finishing, Recorder, RecorderStatus, Review

__all__ = [
    "NUCLEI_COLUMNS",
    "DiskReport",
    "Finishing",
    "Recorder",
    "RecorderStatus",
    "RecordingSummary",
    "Replay",
    "ReplayInfo",
    "Review",
    "RunMetadata",
    "SnapshotFiles",
    "Unfinished",
    "check_disk",
    "disk_speed",
    "find_unfinished",
    "free_path",
    "full_labels",
    "make_folder",
    "nuclei_rows",
    "open_replay",
    "recover",
    "save_snapshot",
    "write_csv",
    "write_labels",
]
