"""What trained networks answer for a training crop, as a target for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from models.training.networks import FastUNet
from models.training.runs import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

SCALES = (1.5, 1.1, 0.8)
"""The teachers see a crop at the scales at which ``accurate`` sees an image."""


def read_teacher(run: Path) -> FastUNet:
    """Return the running average of the weights at the end of a run of :func:`models.training.fast.train`.

    Raises
    ------
    ValueError
        The run has no checkpoint.
    """
    state = load_checkpoint(run / "last.pt")
    if state is None:
        msg = f"{run} holds no last.pt: train it first"
        raise ValueError(msg)
    network = FastUNet(state["config"]["maps"], state["config"]["depths"])
    network.load_state_dict(state["average"])
    return network.eval().to(memory_format=torch.channels_last)


class Teachers:
    """Trained networks that answer together.

    Parameters
    ----------
    networks : sequence of FastUNet
    device : torch.device
    bfloat16 : bool
        Whether they compute in half-precision numbers.
    """

    def __init__(self, networks: Sequence[FastUNet], device: torch.device, bfloat16: bool) -> None:
        self.networks = [network.to(device) for network in networks]
        self.bfloat16 = bfloat16

    @torch.no_grad()
    def answer(self, crops: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return the probabilities for a batch: the mean over the scales, each by a network and mirrored at random.

        So every step costs one network's work at each scale, and over many steps all of them teach.

        Parameters
        ----------
        crops : (N, 1, S, S) float32
        rng : numpy.random.Generator

        Returns
        -------
        (N, 3, S, S) float32
        """
        size = crops.shape[2]
        answers = []
        for scale in SCALES:
            network = self.networks[int(rng.integers(len(self.networks)))]
            flips = [axis for axis in (2, 3) if rng.random() < 0.5]
            side = network.multiple_of * round(size * scale / network.multiple_of)
            seen = functional.interpolate(crops, size=(side, side), mode="bilinear", antialias=True)
            seen = seen.flip(flips).contiguous(memory_format=torch.channels_last)
            with torch.autocast(crops.device.type, torch.bfloat16, enabled=self.bfloat16):
                logits = network(seen)
            likely = torch.sigmoid(logits.float()).flip(flips)
            answers.append(functional.interpolate(likely, size=(size, size), mode="bilinear", antialias=True))
        return torch.stack(answers).mean(dim=0)
