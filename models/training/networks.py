"""The networks. All take NCHW float32 and return logits; the exporter puts the sigmoid into the graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def _keras_like_init(module: nn.Module) -> None:
    """He-normal for the convolutions, Glorot-uniform for the others, zero biases: Keras's choices."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1):
            nn.init.kaiming_normal_(part.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(part.weight)
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d) and part.bias is not None:
            nn.init.zeros_(part.bias)


class _PaperBlock(nn.Module):
    """Two 3x3 convolutions with ReLU and a dropout between them."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.drop = nn.Dropout(dropout)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.drop(functional.relu(self.first(x)))))


class PaperUNet(nn.Module):
    """The U-Net of Aydin et al. 2022 (16-32-64-128-256 maps; 1.94 M parameters).

    Parameters
    ----------
    channels : int
        Input channels.
    base_maps : int
        Feature maps of the first level, doubled at each of the ``levels`` below.
    dropout : float
        Dropout between the two convolutions of a block.

    Notes
    -----
    Input ``(N, channels, H, W)`` with H and W multiples of ``2 ** levels``; output ``(N, 1, H, W)`` logits.
    """

    def __init__(self, channels: int = 3, base_maps: int = 16, levels: int = 4, dropout: float = 0.2) -> None:
        super().__init__()
        maps = [base_maps * 2**level for level in range(levels + 1)]
        self.down = nn.ModuleList(
            _PaperBlock(inputs, outputs, dropout) for inputs, outputs in zip([channels, *maps[:-1]], maps, strict=True)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(maps[i + 1], maps[i], 2, stride=2) for i in range(levels))
        self.merge = nn.ModuleList(_PaperBlock(maps[i + 1], maps[i], dropout) for i in range(levels))
        self.head = nn.Conv2d(base_maps, 1, 1)
        _keras_like_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool2d(x, 2)
            x = block(x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.merge[level](torch.cat([self.up[level](x), skips[level]], dim=1))
        return self.head(x)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm (folded into the convolution at export) and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class FastUNet(nn.Module):
    """A U-Net whose features start at half resolution, for two CPU cores.

    A 2x2 space-to-depth stem takes the full-resolution work away (a convolution there costs four times
    one at the next level and sees the least); a depth-to-space head gives every pixel its own output.
    On the way up the maps are narrowed by a 1x1 convolution before they are enlarged and then *added* to
    those of the way down: a third less work than concatenation at the costly upper levels.

    Parameters
    ----------
    maps : sequence of int
        Feature maps at 1/2, 1/4, 1/8, ... of the input's resolution.
    depths : sequence of int
        3x3 convolutions per level on the way down.
    outputs : int
        Output channels.

    Notes
    -----
    Input ``(N, 1, H, W)`` with H and W multiples of ``2 ** len(maps)``; output ``(N, outputs, H, W)`` logits.
    """

    def __init__(
        self, maps: Sequence[int] = (16, 32, 64, 128), depths: Sequence[int] = (2, 2, 2, 2), outputs: int = 3
    ) -> None:
        super().__init__()
        self.multiple_of = 2 ** len(maps)
        self.folded = False  # the exporter merges the stem into the first convolution
        down: list[nn.Module] = []
        before = 4
        for width, depth in zip(maps, depths, strict=True):
            down.append(nn.Sequential(*(_conv(before if i == 0 else width, width) for i in range(depth))))
            before = width
        self.down = nn.ModuleList(down)
        self.narrow = nn.ModuleList(nn.Conv2d(maps[i + 1], maps[i], 1) for i in range(len(maps) - 1))
        self.merge = nn.ModuleList(_conv(maps[i], maps[i]) for i in range(len(maps) - 1))
        self.head = nn.Conv2d(maps[0], 4 * outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch."""
        if not self.folded:
            x = functional.pixel_unshuffle(x, 2)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool2d(x, 2)
            x = block(x)
            skips.append(x)
        for level in reversed(range(len(self.merge))):
            x = functional.interpolate(self.narrow[level](x), scale_factor=2.0, mode="nearest")
            x = self.merge[level](x + skips[level])
        return functional.pixel_shuffle(self.head(x), 2)


class WithSigmoid(nn.Module):
    """What is exported: a network with its sigmoid."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of a batch."""
        return torch.sigmoid(self.network(x))
