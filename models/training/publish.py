"""Putting a finished run into ``models/``: the ONNX file, its card with the thresholds chosen, the report."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.inference.interval import fit_interval
from models.training import export, fast, paper
from models.training.calibrate import Choice, calibrate
from models.training.compare import as_frame, open_segmenter
from models.training.data import Item, groups, read_folder, split_by_group
from models.training.evaluation import mirrored, outputs, over_scales
from models.training.networks import FastUNet
from models.training.runs import load_checkpoint
from models.training.screen import console

LICENCE = "BSD-3-Clause (weights); the training images are CC0 1.0"

DESCRIPTIONS = {
    "fast": "Nuclei in widefield DAPI or Hoechst images, for live counting on two CPU cores: "
    "a small U-Net on a 2x2 space-to-depth stem.",
    "accurate": "Nuclei in widefield DAPI or Hoechst images, for snapshots and files: "
    "the network of `fast`, shown every image at three scales and mirrored.",
}

FAST_FAILURES = [
    "Nuclei smaller than about 8 pixels at the model's scale are missed or joined.",
    "Nuclei several layers deep (tissue, spheroids) are cut where their outlines cross.",
    "Fragmented apoptotic nuclei may be counted as several.",
    "A wrong pixel size shifts the scale: beyond half or twice the nominal size the counts are not to be trusted.",
    "Trained on widefield DAPI and Hoechst images only: not for histology stains, phase contrast or membranes.",
]
PAPER_FAILURES = [
    "A binary mask: nuclei that touch are one object and are counted once.",
    "Expects the brightness of its training images (RGB / 255): dim 12- and 16-bit frames come out empty.",
    "Trained on images resized blindly to 256x256, histology among them: its nucleus size is only nominal.",
]


def _checkpoint(run: Path) -> dict[str, Any]:
    state = load_checkpoint(run / "best.pt")
    if state is None:
        msg = f"{run} holds no best.pt: train first"
        raise ValueError(msg)
    return state


def _averaged(state: dict[str, Any]) -> FastUNet:
    """Return the network of a checkpoint with its running average of the weights."""
    network = fast.build(fast.FastConfig(**state["config"]))
    network.load_state_dict(state["average"])
    return network


def _choose(run: Path, data: Path, views: int) -> tuple[dict[str, Any], Choice]:
    """Return the better of a run's best and last checkpoint, with its decoding, score and figures.

    Each is judged with thresholds of its own: a fixed threshold favours early checkpoints.
    """
    choices = []
    for name in ("best.pt", "last.pt"):
        state = load_checkpoint(run / name)
        if state is None:
            continue
        config = fast.FastConfig(**state["config"])
        _, validation, _ = split_by_group(read_folder(data), config.validation_fraction, config.seed)
        network = _averaged(state)
        function = mirrored(fast.as_function(network), views)
        results = outputs(function, validation, config.nominal_diameter, multiple=network.multiple_of)
        choice = calibrate(validation, results, config.nominal_diameter)
        console.print(f"{name} (step {state['done']}): {choice.merit:.4f}")
        choices.append((state, choice))
    if not choices:
        msg = f"{run} holds no checkpoint: train first"
        raise ValueError(msg)
    return max(choices, key=lambda choice: choice[1].merit)


def publish_fast(run: Path, data: Path, target: Path, name: str, version: str, views: int = 1) -> dict[str, Any]:
    """Export the better of the best and the last checkpoint, with the decoding chosen for it, and write the card.

    Parameters
    ----------
    run : Path
        Run folder of :func:`models.training.fast.train`.
    data : Path
        Folder of the training set; its internal validation part sets the thresholds.
    target : Path
        Folder for ``name.onnx`` and ``name.toml``.
    views : int
        Mirror images (1, 2 or 4) whose mean the app takes.

    Returns
    -------
    dict
        The card.
    """
    state, choice = _choose(run, data, views)
    config = fast.FastConfig(**state["config"])
    network = _averaged(state)
    multiple = network.multiple_of
    digest = export.to_onnx(network, target / f"{name}.onnx", 1, multiple)
    _, validation, group = split_by_group(read_folder(data), config.validation_fraction, config.seed)
    console.print(choice.figures)
    pixel = 0.65
    recipe, taught = ("taught", " --teacher RUN" * state["teachers"]) if config.taught else (name, "")
    recipe = f"models/training/configs/{recipe}.toml"
    card = {
        "name": name,
        "version": version,
        "file": f"{name}.onnx",
        "sha256": digest,
        "description": DESCRIPTIONS.get(name, DESCRIPTIONS["fast"]),
        "licence": LICENCE,
        "input": {
            "channels": 1,
            "multiple_of": multiple,
            "normalisation": "robust",
            "views": views,
            "pixel_size_um": pixel,
            "nucleus_diameter_px": config.nominal_diameter,
            "nucleus_diameter_um": config.nominal_diameter * pixel,
        },
        "output": {"channels": ["foreground", "distance", "contact"]},
        "decode": choice.decode,
        "score": choice.score,
        "training": {
            "data": "BBBC038 (Data Science Bowl 2018 stage 1), fluorescence subset: 498 images, 18,116 nuclei",
            "data_licence": "CC0 1.0",
            "split": f"{group.max() + 1} groups of neighbouring crops; {len(validation)} images held out",
            "recipe": recipe,
            "seed": config.seed,
            "steps": state["done"],
            "planned_steps": config.steps,
            "crops_per_step": config.batch,
            "parameters": sum(p.numel() for p in network.parameters()),
            "command": f"python -m models.training fast --config {recipe}{taught} --data DATA",
        },
        "scores": {"internal_validation": {k: round(v, 4) for k, v in choice.figures.items()}},
        "failures": {"known": FAST_FAILURES},
    }
    export.write_card(target / f"{name}.toml", card)
    card["calibration"] = count_calibration(target / f"{name}.toml", validation)
    export.write_card(target / f"{name}.toml", card)
    return card


def publish_accurate(fast_card: Path, data: Path, views: int, diameters: Sequence[float]) -> dict[str, Any]:
    """Write the card of ``accurate``: the network of ``fast``, shown every image at several scales and mirrored.

    Parameters
    ----------
    fast_card : Path
        ``models/fast.toml``; ``accurate.toml`` is written beside it, with thresholds and scores of its own.
    data : Path
        Folder of the training set; its internal validation part sets the thresholds.
    views : int
        Mirror images (1, 2 or 4) at each scale.
    diameters : sequence of float
        Diameters of a typical nucleus at each scale, pixels; the largest is the model's own scale.
    """
    card = tomllib.loads(fast_card.read_text(encoding="utf-8"))
    largest = max(diameters)
    diameter_um = card["input"]["nucleus_diameter_um"]
    card |= {"name": "accurate", "description": DESCRIPTIONS["accurate"]}
    card["input"] |= {
        "views": views,
        "scales": [round(diameter / largest, 4) for diameter in sorted(diameters, reverse=True)],
        "pixel_size_um": round(diameter_um / largest, 5),
        "nucleus_diameter_px": largest,
    }
    card["scores"] = {}
    card.pop("variants", None)  # they are for live pictures
    path = fast_card.with_name("accurate.toml")
    export.write_card(path, card)
    return recalibrate(path, data)


def recalibrate(card_path: Path, data: Path) -> dict[str, Any]:
    """Choose decoding, score and interval of an exported model anew, and write them into its card.

    Parameters
    ----------
    card_path : Path
        ``models/NAME.toml``.
    data : Path
        Folder of the training set; its internal validation part sets the thresholds.

    Returns
    -------
    dict
        The card.
    """
    card = tomllib.loads(card_path.read_text(encoding="utf-8"))
    given = card["input"]
    nominal = float(given["nucleus_diameter_px"])
    fraction = fast.FastConfig().validation_fraction
    _, validation, _ = split_by_group(read_folder(data), fraction, int(card["training"]["seed"]))
    multiple = given["multiple_of"]
    function = mirrored(export.session(card_path.with_name(card["file"]), 1), given.get("views", 1))
    function = over_scales(function, given.get("scales", (1.0,)), multiple)
    choice = calibrate(validation, outputs(function, validation, nominal, multiple=multiple), nominal)
    console.print(choice.figures)
    card["decode"] = choice.decode
    card["scores"]["internal_validation"] = {k: round(v, 4) for k, v in choice.figures.items()}
    variants = card.pop("variants", None)
    card = {k: v for k, v in card.items() if k not in ("score", "calibration")}
    place = list(card).index("decode") + 1
    card = dict([*list(card.items())[:place], ("score", choice.score), *list(card.items())[place:]])
    export.write_card(card_path, card)
    card["calibration"] = count_calibration(card_path, validation)
    if variants:
        card["variants"] = variants
    export.write_card(card_path, card)
    return card


def count_calibration(card: Path, validation: list[Item]) -> dict[str, Any]:
    """Return how far the app's counts with a model are off on held-out images, for the interval of its counts.

    The scale is estimated, as it is for most files: where it is known, the interval is a little too wide.
    """
    segmenter = open_segmenter(card)
    found = [segmenter.segment(as_frame(item), "auto", exact=True) for item in validation]
    true = [int(item.labels.max()) for item in validation]
    doubts = [float((1 - result.nuclei["score"]).sum()) for result in found]
    sample = groups([item.image for item in validation]).tolist()
    return fit_interval(true, [result.count for result in found], doubts, groups=sample)


def publish_paper(run: Path, target: Path, reports: Path, version: str) -> dict[str, Any]:
    """Export the paper's network from a finished run, write its card and its report."""
    state = _checkpoint(run)
    config = paper.PaperConfig(**state["config"])
    network = paper.build(config)
    network.load_state_dict(state["network"])
    report = paper.read_report(run)
    digest = export.to_onnx(network, target / "paper.onnx", config.channels, 2**config.levels)
    nominal = 16.5
    card = {
        "name": "paper",
        "version": version,
        "file": "paper.onnx",
        "sha256": digest,
        "description": "The U-Net of Aydin et al. 2022, reproduced: a binary nucleus mask, for comparison only.",
        "licence": LICENCE,
        "input": {
            "channels": config.channels,
            "multiple_of": 2**config.levels,
            "normalisation": "unit",
            "pixel_size_um": round(13.0 / nominal, 4),
            "nucleus_diameter_px": nominal,
            "nucleus_diameter_um": 13.0,
        },
        "output": {"channels": ["foreground"]},
        "decode": {"method": "components", "foreground": report["threshold"], "min_area": 10},
        "training": {
            "data": "the 670 images of Aydin et al. 2022 (BBBC038 at 256x256), their own split",
            "data_licence": "CC0 1.0",
            "recipe": f"models/training/configs/paper.toml, variant {config.variant}",
            "seed": config.seed,
            "epochs": config.epochs,
            "chosen_epoch": report["chosen_epoch"],
            "parameters": report["parameters"],
            "command": f"python -m models.training paper --data DATA --seed {config.seed} --variant {config.variant}",
        },
        "scores": {
            "test_134": {
                "pixel_accuracy": round(report["test_pixel_accuracy"], 4),
                "pixel_accuracy_at_0.5": round(report["test_pixel_accuracy_at_0.5"], 4),
                "pixel_accuracy_in_the_paper": 0.973,
                "empty_mask": round(report["empty_mask_accuracy"], 4),
            }
        },
        "failures": {"known": PAPER_FAILURES},
    }
    export.write_card(target / "paper.toml", card)
    paper.write_report(report, reports)
    paper.summarise(reports)
    return card


def copy_log(run: Path, reports: Path, name: str) -> None:
    """Keep the training log beside the reports."""
    reports.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / "log.jsonl", reports / f"{name}-log.jsonl")
