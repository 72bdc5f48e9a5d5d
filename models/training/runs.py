"""What every training run shares: seeds, the device, checkpoints that can be resumed, a log with an ETA."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.training.screen import console

if TYPE_CHECKING:
    from pathlib import Path


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``mps``."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


def seed_everything(seed: int) -> None:
    """Fix the seeds of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that an interrupted write never leaves a broken file in its place."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return a checkpoint written by :func:`save_checkpoint`, or None where there is none yet."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    return state


def random_state() -> dict[str, Any]:
    """Return the state of the generators, so that a resumed run goes on where it stopped."""
    return {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "python": random.getstate()}


def restore_random_state(state: dict[str, Any]) -> None:
    """Undo :func:`random_state`."""
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])


@dataclass
class RunLog:
    """One JSON line per step of progress, and the same on the screen with the time left.

    Parameters
    ----------
    path : Path
        The ``.jsonl`` file; lines are appended, so a resumed run keeps its history.
    total : int
        Steps (or epochs) of the whole run.
    """

    path: Path
    total: int
    started: float = field(default_factory=time.monotonic)
    first: int | None = None

    def write(self, done: int, **figures: float) -> None:
        """Record the figures after ``done`` of ``total`` and show the time left."""
        if self.first is None:
            self.first = done - 1
        per_step = (time.monotonic() - self.started) / max(1, done - self.first)
        eta_min = per_step * (self.total - done) / 60
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"done": done, **figures}) + "\n")
        shown = "  ".join(f"{name} {value:.5g}" for name, value in figures.items())
        console.print(f"{done}/{self.total}  {shown}  ETA {eta_min:.1f} min")

    def history(self) -> list[dict[str, float]]:
        """Return every line so far; where a resumed run repeated a step, its last line wins."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        return list({line["done"]: line for line in lines}.values())
