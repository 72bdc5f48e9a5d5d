"""The paper's network, recipe and split (Aydin et al. 2022, J. Phys.: Conf. Ser. 2191 012003).

Nothing is chosen on the test images: they are touched once, after the checkpoint and the threshold have
been fixed on the validation part.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from sklearn.model_selection import train_test_split
from torch.nn import functional

from app.inference.preprocess import match_histogram, median3
from models.training.networks import PaperUNet
from models.training.runs import (
    RunLog,
    choose_device,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
)
from models.training.screen import console

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    UInt8 = npt.NDArray[np.uint8]
    Bool = npt.NDArray[np.bool_]

THRESHOLDS = np.round(np.arange(0.20, 0.801, 0.05), 2)


class PaperConfig(BaseModel):
    """The recipe; see ``configs/paper.toml`` for where each figure comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Literal["notebook", "text"] = "notebook"
    seed: int = 368
    split_seed: int = 368
    images: int = 670
    test_fraction: float = 0.2
    validation_fraction: float = 0.2
    channels: int = 3
    base_maps: int = 16
    levels: int = 4
    dropout: float = 0.2
    learning_rate: float = 1e-3
    batch: int = 4
    epochs: int = 40
    mask_level: int = 127
    bfloat16: bool = False
    checkpoint_by: Literal["validation accuracy at 0.5", "validation loss"] = "validation accuracy at 0.5"


def split(config: PaperConfig) -> dict[str, list[int]]:
    """Return the image numbers of ``train``, ``validation`` and ``test``.

    The test side is the paper's; the validation part is the last fifth of the shuffled train side, as
    Keras's ``validation_split`` takes it.
    """
    train, test = train_test_split(range(config.images), test_size=config.test_fraction, random_state=config.split_seed)
    cut = int(len(train) * (1 - config.validation_fraction))
    return {"train": list(train[:cut]), "validation": list(train[cut:]), "test": list(test)}


def read_images(folder: Path, numbers: list[int]) -> UInt8:
    """Read ``im/N.png`` as ``(n, H, W, 3)`` RGB uint8."""
    return np.stack([cv2.imread(str(folder / "im" / f"{n}.png"), cv2.IMREAD_COLOR)[..., ::-1] for n in numbers])


def read_masks(folder: Path, numbers: list[int], level: int) -> Bool:
    """Read ``label/N.png`` as ``(n, H, W)`` bool; resizing left grey rims, cut at ``level``."""
    masks = [cv2.imread(str(folder / "label" / f"{n}.png"), cv2.IMREAD_GRAYSCALE) for n in numbers]
    return np.stack(masks) > level


def apply_variant(images: UInt8, variant: str, reference: UInt8 | None) -> UInt8:
    """Return the images as the text's variant wants them; the notebook's leaves them alone."""
    if variant == "notebook":
        return images
    if reference is None:
        msg = "the variant 'text' needs the reference image: give the brightest of the train side"
        raise ValueError(msg)
    return np.stack([median3(match_histogram(image, reference)) for image in images])


def to_batch(images: UInt8, device: torch.device) -> torch.Tensor:
    """Return ``(n, H, W, 3)`` uint8 as the network's float32 NCHW input in 0…1."""
    tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device)
    return (tensor.float() / 255).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def probabilities(network: PaperUNet, images: UInt8, batch: int = 8) -> torch.Tensor:
    """Return ``(n, H, W)`` float32 nucleus probabilities."""
    network.eval()
    device = next(network.parameters()).device
    parts = [
        torch.sigmoid(network(to_batch(images[i : i + batch], device)))[:, 0].cpu()
        for i in range(0, len(images), batch)
    ]
    return torch.cat(parts)


def accuracy(probability: torch.Tensor, masks: Bool, threshold: float) -> float:
    """Return the share of pixels on their right side, over all images together."""
    return float(((probability > threshold).numpy() == masks).mean())


def _validate(network: PaperUNet, images: UInt8, masks: Bool) -> dict[str, float]:
    probability = probabilities(network, images)
    truth = torch.from_numpy(masks).float()
    return {
        "validation_loss": float(functional.binary_cross_entropy(probability, truth)),
        "validation_accuracy": accuracy(probability, masks, 0.5),
    }


def _train_epoch(
    network: PaperUNet, optimiser: torch.optim.Optimizer, images: UInt8, masks: Bool, batch: int, bfloat16: bool = False
) -> float:
    network.train()
    device = next(network.parameters()).device
    order = torch.randperm(len(images)).numpy()
    total = 0.0
    for start in range(0, len(order), batch):
        index = order[start : start + batch]
        truth = torch.from_numpy(masks[index]).float().unsqueeze(1).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            logits = network(to_batch(images[index], device))
        loss = functional.binary_cross_entropy_with_logits(logits.float(), truth)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(index)
    return total / len(order)


def build(config: PaperConfig) -> PaperUNet:
    """Return the untrained network of the recipe."""
    network = PaperUNet(config.channels, config.base_maps, config.levels, config.dropout)
    return network.to(memory_format=torch.channels_last)


def reference_image(images: UInt8) -> UInt8:
    """Return the image of highest mean intensity, ``(H, W, 3)``."""
    return images[int(images.reshape(len(images), -1).mean(axis=1).argmax())]


def train(config: PaperConfig, folder: Path, out: Path, device_name: str = "auto") -> dict[str, Any]:
    """Train to the end (or go on with a run in ``out``), test once and return the report.

    Parameters
    ----------
    folder : Path
        Holds ``im/`` and ``label/``.
    out : Path
        Run folder: ``last.pt``, ``best.pt``, ``log.jsonl``, ``report.json``.

    Returns
    -------
    dict
        Configuration, history, the chosen epoch and threshold, and the test accuracy.
    """
    out.mkdir(parents=True, exist_ok=True)
    device = choose_device(device_name)
    sides = split(config)
    images = {side: read_images(folder, sides[side]) for side in ("train", "validation")}
    masks = {side: read_masks(folder, sides[side], config.mask_level) for side in images}
    reference = reference_image(images["train"])
    images = {side: apply_variant(images[side], config.variant, reference) for side in images}

    seed_everything(config.seed)
    network = build(config).to(device)
    # Keras's epsilon.
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-7)
    state = load_checkpoint(out / "last.pt")
    done, best = 0, float("-inf")
    if state is not None:
        if PaperConfig(**state["config"]) != config:
            msg = f"{out} holds a run of another configuration: choose another --out, or remove it"
            raise ValueError(msg)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        restore_random_state(state["random"])
        done, best = state["done"], state["best"]
    log = RunLog(out / "log.jsonl", config.epochs)
    for epoch in range(done + 1, config.epochs + 1):
        started = time.monotonic()
        loss = _train_epoch(network, optimiser, images["train"], masks["train"], config.batch, config.bfloat16)
        figures = _validate(network, images["validation"], masks["validation"])
        log.write(epoch, loss=loss, seconds=time.monotonic() - started, **figures)
        by_loss = config.checkpoint_by == "validation loss"
        merit = -figures["validation_loss"] if by_loss else figures["validation_accuracy"]
        state = {"config": config.model_dump(), "network": network.state_dict(), "done": epoch}
        if merit > best:
            best = merit
            save_checkpoint(out / "best.pt", {**state, "reference": reference})
        state |= {"optimiser": optimiser.state_dict(), "random": random_state(), "best": best}
        save_checkpoint(out / "last.pt", state)
    return finish(config, folder, out, log.history())


def finish(config: PaperConfig, folder: Path, out: Path, history: list[dict[str, float]]) -> dict[str, Any]:
    """Fix the threshold on the validation part, then test once; write and return the report."""
    state = load_checkpoint(out / "best.pt")
    if state is None:
        msg = f"{out} holds no best.pt: train first"
        raise ValueError(msg)
    network = build(config)
    network.load_state_dict(state["network"])
    sides = split(config)

    def load(side: str) -> tuple[torch.Tensor, Bool]:
        images = apply_variant(read_images(folder, sides[side]), config.variant, state["reference"])
        return probabilities(network, images), read_masks(folder, sides[side], config.mask_level)

    probability, masks = load("validation")
    scores = {float(t): accuracy(probability, masks, float(t)) for t in THRESHOLDS}
    threshold = max(scores, key=scores.__getitem__)
    probability, masks = load("test")
    per_image = ((probability > threshold).numpy() == masks).mean(axis=(1, 2))
    report = {
        "config": config.model_dump(),
        "images": {side: len(numbers) for side, numbers in sides.items()},
        "history": history,
        "chosen_epoch": state["done"],
        "threshold": threshold,
        "validation_accuracy_by_threshold": scores,
        "test_pixel_accuracy": accuracy(probability, masks, threshold),
        "test_pixel_accuracy_at_0.5": accuracy(probability, masks, 0.5),
        "test_pixel_accuracy_standard_error": float(per_image.std(ddof=1) / np.sqrt(len(per_image))),
        "empty_mask_accuracy": float((~masks).mean()),
        "parameters": sum(p.numel() for p in network.parameters()),
    }
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    console.print(
        f"epoch {state['done']}, threshold {threshold}: test pixel accuracy {100 * report['test_pixel_accuracy']:.2f} %"
    )
    return report


def read_report(out: Path) -> dict[str, Any]:
    """Return the report of a finished run."""
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report


def write_report(report: dict[str, Any], folder: Path) -> None:
    """Write ``paper-VARIANT-SEED.json``, ``.md`` and ``.svg`` (the curve) into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    config, history = report["config"], report["history"]
    stem = f"paper-{config['variant']}-{config['seed']}"
    (folder / f"{stem}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    last = [line["validation_accuracy"] for line in history[-6:]]
    lines = [
        f"# The paper's network, variant {config['variant']}, seed {config['seed']}",
        "",
        f"Pixel accuracy on the paper's own {report['images']['test']} test images: "
        f"**{100 * report['test_pixel_accuracy']:.2f} %** at threshold {report['threshold']} "
        f"(± {100 * report['test_pixel_accuracy_standard_error']:.2f} % standard error over images; "
        f"{100 * report['test_pixel_accuracy_at_0.5']:.2f} % at 0.5). The paper: 97.3 %. "
        f"An empty mask: {100 * report['empty_mask_accuracy']:.1f} %.",
        "",
        f"Checkpoint: epoch {report['chosen_epoch']} of {len(history)}, chosen by {config['checkpoint_by']} on "
        f"{report['images']['validation']} validation images, as was the threshold; the test images were run "
        f"once. {report['images']['train']} images to train on, {report['parameters']:,} parameters. Validation "
        f"accuracy over the last six epochs: {100 * min(last):.2f}–{100 * max(last):.2f} %.",
        "",
        f"![accuracy and loss by epoch]({stem}.svg)",
    ]
    (folder / f"{stem}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _draw(history, folder / f"{stem}.svg", report["chosen_epoch"])


def _draw(history: list[dict[str, float]], path: Path, chosen: int) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    epochs = [line["done"] for line in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    shown = [line["validation_accuracy"] for line in history]
    left.plot(epochs, [100 * each for each in shown], label="validation")
    left.axhline(97.3, color="0.5", ls="--", lw=1, label="the paper, test")
    left.axvline(chosen, color="tab:green", lw=1, label="chosen")
    left.set(xlabel="epoch", ylabel="pixel accuracy / %", ylim=(min(93, 100 * min(shown) - 0.5), 98.5))
    left.legend()
    right.plot(epochs, [line["loss"] for line in history], label="training")
    right.plot(epochs, [line["validation_loss"] for line in history], label="validation")
    right.set(xlabel="epoch", ylabel="cross-entropy", yscale="log")
    right.legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def summarise(folder: Path) -> list[str]:
    """Write ``paper.md``: all runs reported in ``folder``, with mean and SD over the seeds of each variant."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("paper-*-*.json"))]
    lines = [
        "| variant | seed | trained in | epoch | threshold | test pixel accuracy |",
        "|---|---|---|---|---|---|",
    ]
    for variant in sorted({report["config"]["variant"] for report in reports}):
        runs = [report for report in reports if report["config"]["variant"] == variant]
        for run in runs:
            lines.append(
                f"| {variant} | {run['config']['seed']} | {'bfloat16' if run['config'].get('bfloat16') else 'float32'} "
                f"| {run['chosen_epoch']} | {run['threshold']} "
                f"| {100 * run['test_pixel_accuracy']:.2f} % |"
            )
        accuracies = [100 * run["test_pixel_accuracy"] for run in runs]
        if len(accuracies) > 1:
            spread = f"{np.mean(accuracies):.2f} ± {np.std(accuracies, ddof=1):.2f} %"
            lines.append(f"| {variant} | mean ± SD of {len(runs)} | | | | {spread} |")
    lines.append("| Aydin et al. 2022 | mean of 10 tests | | | | 97.3 % |")
    (folder / "paper.md").write_text("# The paper reproduced\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return lines
