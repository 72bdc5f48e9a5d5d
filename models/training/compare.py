"""Every model and a classical baseline on labelled images, by the same metric, in one run."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from app.frame import Frame
from app.inference.model_card import load_model
from app.inference.segmenter import Segmenter
from models.training.baselines import otsu_watershed
from models.training.data import Item, read_folder
from models.training.metrics import Score, matches, overlaps
from models.training.robustness import false_alarms, rescaling_errors
from models.training.screen import console

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    Labels = npt.NDArray[np.int32]
    Method = Callable[[Item], Labels]


def open_segmenter(card: Path) -> Segmenter:
    """Return the app's segmenter with the model of a card, on one thread of the processor."""
    return Segmenter(load_model(card), provider="cpu", threads=1)


def as_frame(item: Item) -> Frame:
    """Return a labelled image as a frame that knows neither its light nor its pixel size."""
    form = "Mono8" if item.image.dtype == np.uint8 else "Mono12"
    return Frame(item.image, 0, 0.0, 0.0, None, None, form, None, name=item.name)


def told_scale(segmenter: Segmenter, item: Item) -> float:
    """Return the µm per pixel at which the image's nuclei, by their labels, are as wide as the model's."""
    given = segmenter.model.card.input
    factor = given.nucleus_diameter_px / (item.diameter or given.nucleus_diameter_px)
    return given.scale_um * float(np.clip(factor, 0.05, 8))


def app_method(card: Path, scale: str = "known") -> Method:
    """Return a model, run by the app's own segmenter, as image in, labels out.

    Parameters
    ----------
    card : Path
        ``models/NAME.toml``.
    scale : str
        ``"known"`` tells the size of the image's nuclei (the median of its labels), as a pixel size would;
        ``"auto"`` leaves it to the app's estimate.
    """
    segmenter = open_segmenter(card)

    def segment(item: Item) -> Labels:
        told = "auto" if scale == "auto" else told_scale(segmenter, item)
        return segmenter.segment(as_frame(item), told, exact=True).labels

    return segment


def interval(per_image: list[tuple[int, int, int]], rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over images of the pooled F1; (hits, true, predicted) per image."""
    table = np.array(per_image)
    drawn = table[rng.integers(0, len(table), (2000, len(table)))].sum(axis=1)
    f1 = 2 * drawn[:, 0] / np.maximum(1, drawn[:, 1] + drawn[:, 2])
    return float(np.percentile(f1, 2.5)), float(np.percentile(f1, 97.5))


def run(method: Method, items: list[Item]) -> dict[str, Any]:
    """Return a method's scores over the items."""
    score = Score()
    per_image: dict[float, list[tuple[int, int, int]]] = {0.5: [], 0.75: []}
    started = time.process_time()
    for item in items:
        labels = method(item)
        score.add(item.labels, labels)
        iou = overlaps(item.labels, labels)
        for threshold, rows in per_image.items():
            rows.append((matches(iou, threshold), *iou.shape))
    spent = 1000 * (time.process_time() - started) / len(items)
    intervals = {f"f1_{t}_interval": list(interval(rows, np.random.default_rng(0))) for t, rows in per_image.items()}
    return {**score.summary(), **intervals, "cpu_ms_per_image": spent}


def coverage(card: Path, items: list[Item]) -> dict[str, float]:
    """Return in what part of the images (percent) the true count lies in the count's interval, for each scale."""
    segmenter = open_segmenter(card)
    inside = {"scale_known": 0, "scale_auto": 0}
    for item in items:
        for name, told in (("scale_known", told_scale(segmenter, item)), ("scale_auto", "auto")):
            found = segmenter.segment(as_frame(item), told, exact=True).interval
            inside[name] += found is not None and found[0] <= int(item.labels.max()) <= found[1]
    return {name: 100 * number / len(items) for name, number in inside.items()}


def card_scores(results: dict[str, Any], name: str, folder: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a card's ``[scores]`` that :func:`compare` measured for a model on a folder."""
    entries: dict[str, dict[str, Any]] = {}
    for scale in ("known", "auto"):
        row = results[f"{name}, scale {scale}"]
        kept = {k: _rounded(v) for k, v in row.items() if k not in ("true", "predicted", "cpu_ms_per_image")}
        if f"{name}, interval" in results:
            kept["interval_covers_percent"] = round(results[f"{name}, interval"][f"scale_{scale}"], 1)
        entries[f"{folder}_scale_{scale}"] = kept
    return entries


def _rounded(value: float | list[float]) -> float | list[float]:
    return [round(v, 4) for v in value] if isinstance(value, list) else round(value, 4)


def compare(models: Path, folder: Path, out: Path | None, robust: bool = True) -> dict[str, Any]:
    """Score all models with a card and the baseline on ``folder``; print the tables, write them to ``out``.

    Parameters
    ----------
    models : Path
        Folder of the cards.
    folder : Path
        Labelled images that no model was trained on.
    out : Path, optional
        Receives ``out.md`` and ``out.json``.
    robust : bool
        Also count false nuclei in fields without any, and the change of the count with the image's scale.
    """
    items = read_folder(folder)
    cards = sorted(models.glob("*.toml"))
    methods: dict[str, Method] = {"Otsu + watershed (scikit-image)": lambda item: otsu_watershed(item.image)}
    for card in cards:
        methods[f"{card.stem}, scale known"] = app_method(card)
        methods[f"{card.stem}, scale auto"] = app_method(card, "auto")
    results: dict[str, Any] = {name: run(method, items) for name, method in methods.items()}
    lines = [f"# {folder.name}: {len(items)} images, {sum(int(i.labels.max()) for i in items)} nuclei", ""]
    lines += table(results)
    if robust:
        stable = {card.stem: robustness(app_method(card), items) for card in cards}
        results |= {f"{name}, robustness": value for name, value in stable.items()}
        for card in cards:
            if load_model(card).card.calibration is not None:
                covered = results[f"{card.stem}, interval"] = coverage(card, items)
                lines += [
                    "",
                    f"{card.stem}: the true count lies in the 90 % interval in {covered['scale_known']:.1f} % of ",
                ]
                lines[-1] += f"the images (scale known), {covered['scale_auto']:.1f} % (scale auto)"
        lines += ["", *robustness_table(stable)]
    console.print("\n".join(lines), soft_wrap=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return results


def robustness(method: Method, items: list[Item]) -> dict[str, dict[str, float]]:
    """Return the false nuclei in 50 fields of each empty kind, and the mean change of the count by scale."""
    return {"false_nuclei": false_alarms(method), "count_change_percent": rescaling_errors(method, items)}


def robustness_table(results: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Return :func:`robustness` of several models as a Markdown table."""
    first = next(iter(results.values()))
    kinds, factors = first["false_nuclei"], first["count_change_percent"]
    heads = [f"false in 50 {kind}" for kind in kinds] + [f"count change {factor}" for factor in factors]
    lines = ["| model | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, row in results.items():
        cells = [str(row["false_nuclei"][k]) for k in kinds]
        cells += [f"{row['count_change_percent'][f]:.1f} %" for f in factors]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


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
