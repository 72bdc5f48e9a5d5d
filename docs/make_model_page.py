"""Writes docs/models.md from the cards of the models, so that the page says what the files are."""

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from app.inference.model_card import ModelCard, find_models, load_model, models_folder  # noqa: E402

HEAD = """# The models

What each model is, what it was made from, what it scores and where it fails. This page is made from the cards beside
the models (`models/*.toml`) by `docs/make_model_page.py`; a test holds the two together, and dapiscope refuses a model
file that its card does not know. How they were trained, and what else was tried: `models/README.md`.

Scores on *dsb2018_stage1_test* are those of 53 images that were never trained on; *scale known* means that the size of
the nuclei was told, as a pixel size tells it, *scale auto* that it was estimated. Brackets hold 95 % intervals over
images. *Internal validation* is the held-out part of the training set, on which the thresholds were chosen.
"""
NAMES = {
    "f1_0.5": "F1 at IoU 0.5",
    "f1_0.75": "F1 at IoU 0.75",
    "f1_0.9": "F1 at IoU 0.9",
    "count_bias_percent": "count, bias",
    "mean_abs_count_error_percent": "count, mean absolute error",
    "interval_covers_percent": "images whose true count lies in the 90 % interval",
    "pixel_accuracy": "pixel accuracy",
}


def page(folder: Path) -> str:
    """Return the page about the models in a folder."""
    parts = [HEAD]
    for name, path in find_models(folder).items():
        model = load_model(path)
        parts.append(section(name, model.card, len(model.data)))
    return "\n".join(parts)


def section(name: str, card: ModelCard, size: int) -> str:
    """Return what the page says of one model."""
    given, training = card.input, card.training
    lines = [
        f"## {name}",
        "",
        card.description,
        "",
        "| | |",
        "|---|---|",
        f"| file | `{card.file}`, {size / 1e6:.1f} MB, {training.get('parameters', 0):,} parameters |",
        f"| SHA-256 | `{card.sha256}` |",
        f"| version, licence | {card.version}; {card.licence} |",
        f"| sees | {given.scale_um:.3g} µm per pixel: a nucleus of {given.nucleus_diameter_um:g} µm is "
        f"{given.nucleus_diameter_px:g} px wide; {given.views} view(s) |",
        f"| gives | {', '.join(card.output.channels)} |",
        f"| trained on | {training.get('data', '')} ({training.get('data_licence', '')}) |",
    ]
    if "split" in training:
        lines.append(f"| held out | {training['split']} |")
    lines.append(f"| recipe | `{training.get('recipe', '')}`, seed {training.get('seed', '')} |")
    for variant, other in card.variants.items():
        lines.append(f"| variant {variant} | `{other.file}`, SHA-256 `{other.sha256}` |")
    if card.calibration is not None:
        samples = f" of {card.calibration.groups} groups" if card.calibration.groups else ""
        lines.append(
            f"| interval of a count | split conformal, {100 * card.calibration.level:.0f} %, fitted on "
            f"{card.calibration.images} held-out images{samples} |"
        )
    lines += ["", *scores(card.scores), "", "Known failures:", ""]
    lines += [f"* {failure}" for failure in card.failures.get("known", ())]
    return "\n".join([*lines, ""])


def scores(entries: dict[str, Any]) -> list[str]:
    """Return the scores as a table, a column a data set."""
    wanted = [key for key in NAMES if any(key in entry for entry in entries.values())]
    heads = [name.replace("_scale_", ", scale ").replace("_", " ") for name in entries]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for key in wanted:
        lines.append(f"| {NAMES[key]} | " + " | ".join(cell(key, entry) for entry in entries.values()) + " |")
    return lines


def cell(key: str, entry: dict[str, Any]) -> str:
    """Return one score as text."""
    if key not in entry:
        return ""
    value = entry[key]
    if key.endswith("_percent"):
        sign = "+" if key == "count_bias_percent" else ""
        return f"{value:{sign}.1f} %"
    low_high = entry.get(f"{key}_interval")
    return f"{value:.3f}" + (f" ({low_high[0]:.2f}–{low_high[1]:.2f})" if low_high else "")


if __name__ == "__main__":
    (HERE / "models.md").write_text(page(models_folder()), encoding="utf-8")
