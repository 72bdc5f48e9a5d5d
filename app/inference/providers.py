"""Which execution provider, with how many threads, runs a model best here: measured once, and kept.

The ways to run it take turns on one image at the first start. A way counts only if its labels are those of plain
onnxruntime on the processor (see `AGREEMENT`); of these the cheapest that keeps up with the camera is taken, else the
fastest. The answer is kept for this machine, this onnxruntime and this model file. Knows no onnxruntime: what runs and
times a way is passed in.
"""

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import platformdirs
from numpy.typing import NDArray

from app.errors import ModelError

CPU = "CPUExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
ACCELERATORS = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "DmlExecutionProvider",
    "CoreMLExecutionProvider",
)

AGREEMENT_PX = 0.05
"""How far the outlines may lie, in the mean, from those of the reference; the number of nuclei must be the same."""
PATIENCE_S = 4.0
"""After this time on a busy or slow machine, what is measured so far has to do."""
IN_TIME_MS = 13.0
"""A network that takes no longer leaves time for the rest of the work on a frame at 44.9 frames a second."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a network.

    Attributes
    ----------
    provider : str
        By onnxruntime's name.
    threads : int
    precision : str
        ``"f32"``, or ``"bf16"`` where the processor computes in it; ``"int8"`` is a variant of the model.
    """

    provider: str = CPU
    threads: int = 1
    precision: str = "f32"

    @property
    def on_processor(self) -> bool:
        """True where the processor computes, and no accelerator."""
        return self.provider in (CPU, OPENVINO)

    def __str__(self) -> str:
        where = self.provider.removesuffix("ExecutionProvider")
        return f"{where} {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a way: milliseconds a frame, and whether its labels agree with the reference."""

    way: Way
    ms: float
    agrees: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """The way taken, and what was measured. `kept` is True when it was read from the last time's file."""

    way: Way
    trials: tuple[Trial, ...] = field(default_factory=tuple)
    kept: bool = False


def ways(there: Iterable[str], cores: int, variants: Iterable[str] = ()) -> tuple[Way, ...]:
    """Return the ways worth a try with the providers that are `there`; the reference comes first.

    `variants` are the precisions that the model comes in besides.
    """
    available = tuple(there)
    counts = sorted({1, min(max(cores // 2, 1), 4), min(cores, 4)})
    found = [Way(CPU, count, precision) for precision in ("f32", *variants) for count in counts]
    if OPENVINO in available:
        found += [Way(OPENVINO, count, precision) for count in counts for precision in ("f32", "bf16")]
    return (*found, *(Way(name) for name in ACCELERATORS if name in available))


def all_cores(way: Way, cores: int) -> Way | None:
    """Return `way` on all `cores` (at most 8); None where that is no other way."""
    threads = min(cores, 8)
    return replace(way, threads=threads) if way.on_processor and way.threads < threads else None


def agree(reference: NDArray[np.int32], labels: NDArray[np.int32]) -> bool:
    """Return whether two label images, shape (h, w), say the same; see `AGREEMENT_PX`."""
    if reference.shape != labels.shape or reference.max() != labels.max():
        return False
    nuclei = (reference > 0).view(np.uint8)
    outline = np.count_nonzero(nuclei) - np.count_nonzero(cv2.erode(nuclei, np.ones((3, 3), np.uint8)))
    apart = np.count_nonzero((reference > 0) != (labels > 0))
    return bool(apart <= AGREEMENT_PX * outline)


def best(trials: Iterable[Trial]) -> Way:
    """Return of the ways in time the fastest on the fewest threads, else the fastest; ModelError for none."""
    good = [trial for trial in trials if trial.agrees]
    if not good:
        raise ModelError("The model runs on none of the execution providers here: install dapiscope again with pip.")
    in_time = [trial for trial in good if trial.ms <= IN_TIME_MS]
    if in_time:
        return min(in_time, key=lambda trial: (trial.way.threads, trial.ms)).way
    return min(good, key=lambda trial: trial.ms).way


def choose(
    candidates: Iterable[Way],
    run: Callable[[Way], tuple[float, NDArray[np.int32]]],
    key: str,
    file: Path,
    clock: Callable[[], float] = time.monotonic,
) -> Choice:
    """Return the way kept under `key` in `file`, or measure all and keep the best.

    Parameters
    ----------
    candidates : iterable of Way
        The first is the reference.
    run : callable
        Way to (milliseconds, labels); ModelError where it cannot be.
    key : str
        See `key_of`.
    file : Path
        See `cache_file`. A file that cannot be read or written only means that it is measured again.
    clock : callable
        Seconds; the measuring ends after `PATIENCE_S` of it.
    """
    wanted = tuple(candidates)
    kept = _read(file).get(key)
    with contextlib.suppress(KeyError, TypeError, ValueError):
        choice = _choice(kept)
        if choice.way in wanted:
            return choice
    trials: list[Trial] = []
    reference: NDArray[np.int32] | None = None
    problem: ModelError | None = None
    began_s = clock()
    for way in wanted:
        if trials and clock() - began_s > PATIENCE_S:
            break
        try:
            ms, labels = run(way)
        except ModelError as error:
            problem = problem or error
            continue
        reference = labels if reference is None else reference
        trials.append(Trial(way, ms, agree(reference, labels)))
    if not trials and problem is not None:
        raise problem
    choice = Choice(best(trials), tuple(trials))
    _write(file, key, choice)
    return choice


def key_of(model_sha256: str, runtime: str, there: Iterable[str]) -> str:
    """Return what an answer holds for: this processor and its cores, onnxruntime with its providers, this model."""
    machine = (platform.machine(), platform.processor(), _processor(), str(os.cpu_count()))
    text = "\n".join((*machine, runtime, *there, model_sha256))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cache_file() -> Path:
    """Return where the answers are kept."""
    return Path(platformdirs.user_cache_dir("dapiscope", appauthor=False)) / "providers.json"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line
    return ""


def _choice(kept: object) -> Choice:
    if not isinstance(kept, dict):
        raise ValueError("nothing was kept")
    trials = tuple(Trial(Way(**each["way"]), float(each["ms"]), bool(each["agrees"])) for each in kept["trials"])
    return Choice(Way(**kept["way"]), trials, kept=True)


def _read(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, key: str, choice: Choice) -> None:
    kept = {"way": asdict(choice.way), "trials": [asdict(trial) for trial in choice.trials]}
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    # Without a cache it is measured again the next time: no reason to bother anybody.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({**_read(file), key: kept}, indent=1), encoding="utf-8")
        partial.replace(file)
