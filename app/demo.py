"""Ten seconds on the simulators for a machine without a display: what dapiscope does, left in a folder."""

from pathlib import Path

from rich.console import Console

from app.build import make_session
from app.headless import RunLog, run_live, save_overlay
from app.recording import free_path
from app.settings import Settings

SECONDS = 10.0
FRAMES_KEPT = 50


def run_demo(folder: Path, console: Console) -> int:
    """Run live, print a line a second, and leave an overlay, the counts and a short recording in `folder`.

    Returns
    -------
    int
        Exit code.
    """
    session = make_session(Settings())
    next_line_s = [1.0]

    def progress(log: RunLog) -> None:
        if log.elapsed_s() < next_line_s[0]:
            return
        next_line_s[0] += 1.0
        stats = session.stats()
        count = log.counts[-1] if log.counts else 0
        console.print(
            f"camera {stats.fps_camera:4.1f}/s   display {stats.fps_display:4.1f}/s   "
            f"counting {stats.fps_segment:4.1f}/s   nuclei {count}",
            highlight=False,
            soft_wrap=True,
        )

    account = run_live(session, seconds=SECONDS, out=folder, record_frames=FRAMES_KEPT, progress=progress)
    if account["error"]:
        console.print(account["error"], style="red", highlight=False, soft_wrap=True)
        return 1
    if session.last_result is not None:
        overlay = free_path(folder, "overlay.png")
        save_overlay(overlay, session.last_result)
        console.print(f"overlay   {overlay}", highlight=False, soft_wrap=True)
    console.print(f"recording {account['recording']}", highlight=False, soft_wrap=True)
    frames, count, dark = account["frames"], account["count"], account["light"]["confirmed_off"]
    console.print(
        f"{frames['grabbed']} frames grabbed, {frames['lost_camera']} lost, {frames['segmented']} counted; "
        f"{count['last']} nuclei found, {account['truth']} really in view; "
        f"light {'confirmed off' if dark else 'NOT CONFIRMED OFF'}",
        highlight=False,
        soft_wrap=True,
    )
    return 0 if dark else 1
