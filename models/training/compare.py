"""Every model and a classical baseline on labelled images, by the same metric, in one run."""

from __future__ import annotations

import json
import time
import tomllib
from typing import TYPE_CHECKING, Any

import numpy as np

from app.inference.instances import decode
from models.training.baselines import otsu_watershed
from models.training.data import Item, read_folder
from models.training.evaluation import known_scale, renumber, run_scaled, to_size
from models.training.export import session
from models.training.metrics import Score, matches, overlaps
from models.training.runs import console

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    Labels = npt.NDArray[np.int32]
    Method = Callable[[Item], Labels]


def model_method(card_path: Path, scale: Callable[[Item, float], float] = known_scale) -> Method:
    """Return a model as image in, labels out."""
    card = tomllib.loads(card_path.read_text(encoding="utf-8"))
    network = session(card_path.parent / card["file"], threads=1)
    given = card["input"]

    def segment(item: Item) -> Labels:
        output = run_scaled(
            network,
            item.image,
            scale(item, given["nucleus_diameter_px"]),
            multiple=given["multiple_of"],
            normalisation=given["normalisation"],
            channels=given["channels"],
        )
        return renumber(to_size(decode(output, card["decode"]), item.image.shape))

    return segment


def interval(per_image: list[tuple[int, int, int]], rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over images of the pooled F1; (hits, true, predicted) per image."""
    table = np.array(per_image)
    drawn = table[rng.integers(0, len(table), (2000, len(table)))].sum(axis=1)
    f1 = 2 * drawn[:, 0] / np.maximum(1, drawn[:, 1] + drawn[:, 2])
    return float(np.percentile(f1, 2.5)), float(np.percentile(f1, 97.5))


def run(method: Method, items: list[Item]) -> dict[str, Any]:
    """Return a method's scores over the items."""
    score, per_image = Score(), []
    started = time.process_time()
    for item in items:
        labels = method(item)
        score.add(item.labels, labels)
        iou = overlaps(item.labels, labels)
        per_image.append((matches(iou, 0.5), *iou.shape))
    low, high = interval(per_image, np.random.default_rng(0))
    spent = 1000 * (time.process_time() - started) / len(items)
    return {**score.summary(), "f1_0.5_interval": [low, high], "cpu_ms_per_image": spent}


def compare(models: Path, folder: Path, out: Path | None) -> dict[str, dict[str, Any]]:
    """Score all models with a card and the baseline on ``folder``; print a table, write it to ``out``."""
    items = read_folder(folder)
    methods: dict[str, Method] = {"Otsu + watershed (scikit-image)": lambda item: otsu_watershed(item.image)}
    for card in sorted(models.glob("*.toml")):
        methods[f"{card.stem} (known scale)"] = model_method(card)
    results = {name: run(method, items) for name, method in methods.items()}
    lines = table(results)
    console.print("\n".join(lines), soft_wrap=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        text = f"# {folder.name}: {len(items)} images, {sum(int(i.labels.max()) for i in items)} nuclei\n\n"
        out.with_suffix(".md").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    return results


def table(results: dict[str, dict[str, Any]]) -> list[str]:
    """Return the results as a Markdown table."""
    lines = [
        "| method | F1@0.5 (95 % interval) | F1@0.75 | F1@0.9 | count bias | mean abs. count error |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        low, high = row["f1_0.5_interval"]
        lines.append(
            f"| {name} | {row['f1_0.5']:.3f} ({low:.2f}–{high:.2f}) | {row['f1_0.75']:.3f} | {row['f1_0.9']:.3f} "
            f"| {row['count_bias_percent']:+.1f} % | {row['mean_abs_count_error_percent']:.1f} % |"
        )
    return lines
