"""What one worker of a batch does with one image, and where the workers are: here, in processes, or on a cluster.

A worker writes labels and rows aside; names, tables and the ledger are the business of the one process that was started
by the operator. So a worker that dies leaves nothing but files without a name, and what is finished is never computed
again.
"""

import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from app.batch_table import Found, Key, Scale
from app.errors import DapiscopeError, ModelError
from app.flat_field import shadings_in
from app.frame import Frame, Segmentation
from app.images import as_frame, read_image
from app.inference.measure import count_row, known_pixel_size_um
from app.inference.model_card import load_model
from app.inference.segmenter import Segmenter
from app.large import LargeImage, is_large
from app.recording import nuclei_rows
from app.recording.replay import FindShading, Replay
from app.recording.sources import is_own_tiff, open_sequence, plane_to_count
from app.recording.tables import encode_labels, stream_labels

AHEAD = 4
"""Images handed out ahead, per worker."""
TRIES = 2
"""How often an image may take its worker with it before it is given up."""
CONNECT_S = 20
WORKERS_S = 5
"""After this long without a worker it is said that there is none."""
_GONE = (
    "The Dask scheduler at {} does not answer any more ({}): start it and its workers again, then run the same command"
    " again; it goes on from here."
)

_NO_FLAT_FIELD = "counted without its flat field, which is not on this computer"
_TOO_LARGE = "{} needs more memory than there is: crop it."
_LETHAL = "{} ended its worker, perhaps for lack of memory: crop it or use fewer workers."


@dataclass(frozen=True, slots=True)
class Task:
    """One image to segment.

    `out` is a folder that the worker can write to, `calibration` one where it finds the flat fields that a recording
    names.
    """

    number: int
    path: str
    key: Key
    out: str
    part_prefix: str
    calibration: str
    model: str
    sha256: str
    scale: Scale


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it: the file with the labels, beside which lies what was found, or one sentence.

    `fatal` says that no other image will fare better.
    """

    error: str = ""
    fatal: bool = False
    part: str = ""


Result = tuple[Task, Outcome]
Runner = Callable[[Iterator[Task]], Iterator[Result]]
"""Takes tasks as it needs them and yields what became of them, in any order."""


def segment_image(task: Task, segmenter: Segmenter) -> Outcome:
    """Segment one image; labels and rows go into files without names of their own yet. Never raises for a bad image."""
    path = Path(task.path)
    part = Path(task.out) / f"{task.part_prefix}{task.number}-{uuid.uuid4().hex[:8]}.tif"
    try:
        frame, note = _frame_and_note(path, task)
    except DapiscopeError as error:
        return Outcome(str(error))
    except MemoryError:
        return Outcome(_TOO_LARGE.format(path))
    except OSError as error:
        return Outcome(f"{path} cannot be read ({error.strerror or error}): check its disk or the network.")
    try:
        if is_large(frame, segmenter, task.scale):
            large = LargeImage(frame, segmenter, task.scale)
            size_um = task.scale if isinstance(task.scale, float) else frame.pixel_size_um
            stream_labels(part, large.rows(), frame.shape, size_um)
            result = large.result()
        else:
            result = segmenter.segment(frame, task.scale, exact=True)
            encode_labels(part, result.labels, known_pixel_size_um(result))
        _found(task.key, result, segmenter, note).save(part)
    except DapiscopeError as error:
        return Outcome(str(error))
    except MemoryError:
        return Outcome(_TOO_LARGE.format(path))
    except OSError as error:
        return Outcome(f"The results in {task.out} cannot be written ({error.strerror}): free some space.", fatal=True)
    return Outcome(part=str(part))


def _frame_and_note(path: Path, task: Task) -> tuple[Frame, str]:
    """Return the plane of a file to count, and what to tell of it; of own files as a replay would have it."""
    if not is_own_tiff(path):
        image = read_image(path)
        return as_frame(image, path, task.number), image.note
    sequence = open_sequence(path)
    with Replay(sequence, find_shading=_shadings(task.calibration)) as replay:
        index, note = plane_to_count(sequence)
        frame = replay.frame(index)
        unshaded = frame.shading is None and sequence.flat_field_of(index)
    return frame, "; ".join(filter(None, (note, _NO_FLAT_FIELD if unshaded else "")))


@lru_cache(maxsize=1)
def _shadings(calibration: str) -> FindShading:
    return shadings_in(Path(calibration))


def _found(key: Key, result: Segmentation, segmenter: Segmenter, note: str) -> Found:
    return Found(
        key,
        (*count_row(result), segmenter.name, segmenter.sha256, note),
        nuclei_rows(result),
        result.count,
        result.flags,
        result.scale_source,
        note,
    )


# ---------------------------------------------------------------------- here


def here(segmenter: Segmenter) -> Runner:
    """Return a runner that does one image after the other in this process."""

    def run(tasks: Iterator[Task]) -> Iterator[Result]:
        for task in tasks:
            yield task, segment_image(task, segmenter)

    return run


# ---------------------------------------------------------------------- in processes

_own = threading.local()


def segment_anywhere(task: Task) -> Outcome:
    """Segment one image with a model of this thread's own, one thread of computing; what every other worker runs."""
    segmenter = getattr(_own, "segmenter", None)
    if segmenter is None or segmenter.sha256 != task.sha256:
        try:
            import cv2

            cv2.setNumThreads(1)
            segmenter = Segmenter(load_model(task.model), provider="cpu", threads=1)
        except ModelError as error:
            return Outcome(str(error), fatal=True)
        if segmenter.sha256 != task.sha256:
            return Outcome(
                f"The worker's model {task.model!r} is another one: install the same dapiscope everywhere.", fatal=True
            )
        _own.segmenter = segmenter
    return segment_image(task, segmenter)


def _quiet() -> None:
    # Ctrl-C is the parent's business: it ends the batch in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="app-orphan", daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent has gone without ending it, killed or with its terminal: none would ever."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


class _Spawned(SpawnContext):
    """Starts workers, spawned and not forked because the parent has threads, and remembers them.

    A pool whose worker dies ends the others, but not one that was just being started: that one would wait for work for
    ever, and the pool for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._started: list[BaseProcess] = []

    def Process(self, *args: Any, **more: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        """Return a new process, as the pool asks for it."""
        process = SpawnProcess(*args, **more)
        self._started.append(process)
        return process

    def end(self) -> None:
        """End every worker that still runs."""
        for process in self._started:
            if process.pid is not None:  # one that could not even be started has nothing to end
                process.kill()


def processes(workers: int) -> Runner:
    """Return a runner over `workers` processes of this machine; a worker that dies costs no image but a lethal one."""

    def pool(size: int, context: BaseContext | None = None) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(size, mp_context=context or _Spawned(), initializer=_quiet)

    def run(tasks: Iterator[Task]) -> Iterator[Result]:
        suspects: list[Task] = []
        while True:
            spawned = _Spawned()
            executor = pool(workers, spawned)
            try:
                yield from _shared(executor, tasks, AHEAD * workers, suspects)
            finally:
                if suspects:
                    spawned.end()
                executor.shutdown(wait=True, cancel_futures=True)
            if not suspects:
                return
            # Any of those in flight may have killed the worker: one by one it shows which.
            for task in suspects:
                yield task, _alone(task, pool)
            suspects.clear()

    return run


def _shared(executor: ProcessPoolExecutor, tasks: Iterator[Task], ahead: int, suspects: list[Task]) -> Iterator[Result]:
    """Yield what the pool did; when it breaks, leave what was in flight in `suspects` and return."""
    flying: dict[Future[Outcome], Task] = {}
    broken = False
    while not broken:
        for task in islice(tasks, ahead - len(flying)):
            try:
                flying[executor.submit(segment_anywhere, task)] = task
            except (BrokenProcessPool, OSError) as error:
                if not _broke(error):
                    raise
                suspects.append(task)
                broken = True
                break
        if not flying:
            return
        done, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in done:
            task = flying.pop(future)
            try:
                yield task, future.result()
            except BrokenProcessPool:
                suspects.append(task)
                broken = True
    for future, task in flying.items():
        try:
            yield task, future.result()
        except BrokenProcessPool:
            suspects.append(task)


def _alone(task: Task, pool: Callable[[int], ProcessPoolExecutor]) -> Outcome:
    for _ in range(TRIES):
        with pool(1) as executor:
            try:
                return executor.submit(segment_anywhere, task).result()
            except (BrokenProcessPool, OSError) as error:
                if not _broke(error):
                    raise
    return Outcome(_LETHAL.format(task.path))


def _broke(error: Exception) -> bool:
    """Tell whether a worker died: while a task is handed over, the pool may find its pipes closed before it knows why.

    What the system refuses (no memory, no more files) has a number; "handle is closed" of multiprocessing has none.
    """
    return not isinstance(error, OSError) or isinstance(error, BrokenPipeError) or error.errno is None


# ---------------------------------------------------------------------- on a cluster


def cluster(address: str, say: Callable[[str], object] = lambda sentence: None) -> Runner:
    """Return a runner on the Dask cluster at `address`, e.g. ``tcp://host:8786``.

    The workers need the same dapiscope, the images and the output folder under the same paths. `say` hears that the
    cluster has no workers yet; they are waited for.

    Raises
    ------
    DapiscopeError
        Dask is not installed, or no scheduler answers there.
    """
    try:
        from distributed import Client
    except ImportError:
        raise DapiscopeError("A cluster needs Dask: install dapiscope[cluster].") from None
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise DapiscopeError(
            f"No Dask scheduler answers at {address} ({_first_line(error)}): start one there."
        ) from None

    def run(tasks: Iterator[Task]) -> Iterator[Result]:
        with client:
            yield from _on_cluster(client, tasks, address, say)

    return run


def _on_cluster(client: Any, tasks: Iterator[Task], address: str, say: Callable[[str], object]) -> Iterator[Result]:
    from distributed import as_completed

    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError:
        say(f"The cluster at {address} has no workers yet: start one with `dask worker {address}`.")

    flying: dict[Any, Task] = {}
    finished = as_completed(loop=client.loop)
    batch = uuid.uuid4().hex[:8]

    def hand_out() -> None:
        try:
            threads = sum(client.nthreads().values())
        except OSError as error:
            raise DapiscopeError(_GONE.format(address, _first_line(error))) from None
        for task in islice(tasks, max(AHEAD * max(threads, 2) - len(flying), 0)):
            name = f"dapiscope-{batch}-{task.number}"
            future = client.submit(segment_anywhere, task, key=name, pure=False, retries=TRIES)
            flying[future.key] = task
            finished.add(future)

    hand_out()
    while flying:
        future = next(finished)
        task = flying.pop(future.key)
        outcome = _of_future(future, task, address)
        future.release()
        hand_out()
        yield task, outcome


def _of_future(future: Any, task: Task, address: str) -> Outcome:
    from distributed import KilledWorker

    try:
        outcome: Outcome = future.result()
    except CancelledError as error:  # nobody here cancels anything: the scheduler has forgotten it
        return Outcome(_GONE.format(address, _first_line(error)), True)
    except KilledWorker:
        return Outcome(_LETHAL.format(task.path))
    except ImportError as error:
        return Outcome(f"The cluster's workers cannot run dapiscope ({_first_line(error)}): install it there.", True)
    except Exception as error:  # noqa: BLE001 - whatever the cluster did to it is told as this image's fate
        return Outcome(f"{task.path} failed on the cluster ({_first_line(error)}): try it on this machine.")
    return outcome


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def default_workers() -> int:
    """Return how many processes make sense: one a core of those this process may use."""
    count = getattr(os, "sched_getaffinity", None)
    return len(count(0)) if count else os.cpu_count() or 1
