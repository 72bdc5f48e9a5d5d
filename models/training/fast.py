"""Training of the instance models (foreground, distance, contacts) from labelled fluorescence images."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch.nn import functional

from models.training.augment import CropMaker
from models.training.data import Item, read_folder, split_by_group
from models.training.evaluation import outputs, score_outputs
from models.training.networks import FastUNet
from models.training.runs import (
    RunLog,
    choose_device,
    load_checkpoint,
    save_checkpoint,
    seed_everything,
)
from models.training.screen import console
from models.training.teachers import Teachers, read_teacher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DECODE = {
    "method": "cores",
    "foreground": 0.6,
    "core": 0.2,
    "contact_weight": 0.3,
    "min_core_area": 3,
    "min_area": 30,
    "min_score": 0.75,
    "levels": 2,
    "steps": 4,
}
"""Decoding while training; the card's thresholds are calibrated afterwards."""


class FastConfig(BaseModel):
    """The recipe; ``configs/fast.toml`` explains it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    maps: tuple[int, ...] = (16, 32, 64, 128)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    nominal_diameter: float = 20.0
    scale_jitter: tuple[float, float] = (-1.0, 1.1)
    crop: int = 208
    batch: int = 12
    steps: int = 18000
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    warmup: int = 300
    ema: float = 0.998
    negatives: float = 0.07
    synthetic: float = 0.08
    taught: float = 0.0
    validation_fraction: float = 0.12
    validate_every: int = 2000
    save_every: int = 200
    bfloat16: bool = True


def learning_rate(config: FastConfig, step: int) -> float:
    """Return the rate of a step: a linear warm-up, then half a cosine down to 1 %."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    part = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))


def loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross-entropies of foreground, distance (as a soft target) and contacts.

    Parameters
    ----------
    logits, target : (N, 3, H, W)
    weight : (N, H, W)
        0 where the crop reached beyond its image.
    """
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    # The least a soft target can cost is its own entropy: taken off, so that the figure means something.
    soft = target[:, 1].clamp(1e-6, 1 - 1e-6)
    entropy = -(soft * soft.log() + (1 - soft) * (1 - soft).log())
    parts = each[:, 0] + 1.5 * (each[:, 1] - entropy) + 0.5 * each[:, 2] * (1 + 2 * target[:, 2])
    return (parts * weight).sum() / weight.sum().clamp(min=1)


def as_function(network: torch.nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """Return the network as NumPy in, probabilities out."""
    device = next(network.parameters()).device

    @torch.no_grad()
    def run(x: np.ndarray) -> np.ndarray:
        network.eval()
        return torch.sigmoid(network(torch.from_numpy(x.copy()).to(device))).cpu().numpy()

    return run


def build(config: FastConfig) -> FastUNet:
    """Return the untrained network."""
    return FastUNet(config.maps, config.depths).to(memory_format=torch.channels_last)


class _Trainer:
    """The state of one run: network, its running average, optimiser, crops."""

    def __init__(
        self, config: FastConfig, training: list[Item], device: torch.device, teachers: Sequence[FastUNet] = ()
    ) -> None:
        self.config, self.device = config, device
        seed_everything(config.seed)
        self.network = build(config).to(device)
        self.teachers = Teachers(teachers, device, config.bfloat16) if teachers else None
        if teachers:
            self.network.load_state_dict(teachers[0].state_dict())
        self.average = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.crops = CropMaker(
            training, config.crop, config.nominal_diameter, config.scale_jitter, config.negatives, config.synthetic
        )
        self.done = 0

    def state(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = state["done"]

    def step(self) -> float:
        """Take one step; its crops depend on the seed and the step alone, so a resumed run sees the same."""
        config = self.config
        rng = np.random.default_rng((config.seed, self.done))
        drawn = [self.crops.draw(rng) for _ in range(config.batch)]
        x, target, weight = (torch.from_numpy(np.stack([d[i] for d in drawn])).to(self.device) for i in range(3))
        x = x.contiguous(memory_format=torch.channels_last)
        if self.teachers is not None:
            target = torch.lerp(target, self.teachers.answer(x, rng), config.taught)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(config, self.done)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bfloat16):
            logits = self.network(x)
        value = loss(logits.float(), target, weight)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self._follow()
        self.done += 1
        return float(value.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the running average follow; quickly at first."""
        keep = min(self.config.ema, (1 + self.done) / (10 + self.done))
        average = self.average.state_dict()
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                average[name].lerp_(value, 1 - keep)
            else:
                average[name].copy_(value)


def train(
    config: FastConfig, folder: Path, out: Path, device_name: str = "auto", teachers: Sequence[Path] = ()
) -> dict[str, Any]:
    """Train to the end (or go on with the run in ``out``).

    Parameters
    ----------
    folder : Path
        Labelled images: ``images/*.png`` and ``labels/*.png``.
    out : Path
        Run folder: ``last.pt``, ``best.pt`` (best running average on the internal validation), ``log.jsonl``.
    teachers : sequence of Path
        Finished runs on the same split whose answers are part of the targets (``taught``); the first one is where
        the training starts.

    Returns
    -------
    dict
        Scores of the best checkpoint on the internal validation.
    """
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    training, validation, group = split_by_group(read_folder(folder), config.validation_fraction, config.seed)
    console.print(f"{len(training)} training and {len(validation)} validation images, {group.max() + 1} groups")
    if bool(teachers) != (config.taught > 0):
        msg = "a configuration with `taught` needs --teacher RUN, and only such a one takes it"
        raise ValueError(msg)
    trainer = _Trainer(config, training, choose_device(device_name), [read_teacher(run) for run in teachers])
    state = load_checkpoint(out / "last.pt")
    best = -1.0
    if state is not None:
        if {**FastConfig().model_dump(), **state["config"], "steps": 0} != {**config.model_dump(), "steps": 0}:
            msg = f"{out} holds a run of another configuration: choose another --out, or remove it"
            raise ValueError(msg)
        trainer.restore(state)
        best = state["best"]
    log = RunLog(out / "log.jsonl", config.steps)
    losses: list[float] = []
    started = time.monotonic()
    while trainer.done < config.steps:
        losses.append(trainer.step())
        ends = trainer.done == config.steps
        if trainer.done % config.validate_every == 0 or ends:
            results = outputs(as_function(trainer.average), validation, config.nominal_diameter)
            scores = score_outputs(validation, results, DECODE).summary()
            log.write(trainer.done, loss=float(np.mean(losses)), **scores)
            merit = scores["f1_0.5"] + scores["f1_0.75"]
            if merit > best:
                best = merit
                save_checkpoint(
                    out / "best.pt",
                    {
                        "config": config.model_dump(),
                        "teachers": len(teachers),
                        "average": trainer.average.state_dict(),
                        "done": trainer.done,
                        "scores": scores,
                    },
                )
            losses = []
        if trainer.done % config.save_every == 0 or ends:
            save_checkpoint(out / "last.pt", {**trainer.state(), "teachers": len(teachers), "best": best})
        if trainer.done % 100 == 0 and losses:
            pace = (time.monotonic() - started) / 100
            started = time.monotonic()
            console.print(f"{trainer.done}: loss {np.mean(losses[-100:]):.4f}, {pace:.3f} s a step")
    state = load_checkpoint(out / "best.pt")
    if state is None:
        msg = f"{out} holds no best.pt: give more steps than validate_every"
        raise ValueError(msg)
    return {"done": state["done"], **state["scores"]}
