"""The networks. All take NCHW float32 and return logits; the exporter puts the sigmoid into the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


class _MirrorConv(nn.Module):
    """A convolution that commutes with mirroring both axes: every kernel comes in its four mirror images.

    Maps come in fours, one for each mirror image of the same feature: neither axis mirrored, columns, rows, both.
    That is the order in which a 2x2 space-to-depth lays out the pixels of a block: stem and head fit as they are.
    """

    def __init__(self, inputs: int, outputs: int, size: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs // 4, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs // 4)) if bias else None
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def full(self) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias of the ordinary convolution that this is."""
        images = []
        for mirror in range(4):
            axes = [axis for axis, bit in ((-2, 2), (-1, 1)) if mirror & bit]
            order = [4 * (i // 4) + (i % 4 ^ mirror) for i in range(self.weight.shape[1])]
            images.append(self.weight[:, order].flip(axes))
        weight = torch.stack(images, dim=1).flatten(0, 1)
        return weight, None if self.bias is None else self.bias.repeat_interleave(4)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.full()
        return functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


class _MirrorNorm(nn.Module):
    """Batch norm that treats the four mirror images of a feature alike.

    While training each is brought to its own mean and spread, which differ by chance only, since crops are mirrored at
    random.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(maps // 4)), nn.Parameter(torch.zeros(maps // 4))
        self.register_buffer("running_mean", torch.zeros(maps))
        self.register_buffer("running_var", torch.ones(maps))

    def full(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mean, variance, weight and bias of the ordinary batch norm that this is once trained."""
        alike = (seen.unflatten(0, (-1, 4)).mean(dim=1) for seen in (self.running_mean, self.running_var))
        mean, variance, weight, bias = (each.repeat_interleave(4) for each in (*alike, self.weight, self.bias))
        return mean, variance, weight, bias

    def forward(self, x: Tensor) -> Tensor:
        mean, variance, weight, bias = self.full()
        if self.training:
            mean, variance = self.running_mean, self.running_var
        return functional.batch_norm(x, mean, variance, weight, bias, self.training)


def _mirror_conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_MirrorConv(inputs, outputs, 3, bias=False), _MirrorNorm(outputs), nn.ReLU(inplace=True))


class MirrorUNet(FastUNet):
    """A :class:`FastUNet` that answers for a mirrored image with the mirrored answer.

    So one look tells what the mean over four mirror images would, at the work of one; and a quarter of the weights is
    left to learn. `plain` gives the ordinary network that it is.
    """

    def __init__(
        self, maps: Sequence[int] = (16, 32, 64, 128), depths: Sequence[int] = (2, 2, 2, 2), outputs: int = 3
    ) -> None:
        super().__init__(maps, depths, outputs)
        self.shape = (tuple(maps), tuple(depths), outputs)
        widths = zip((4, *maps), maps, depths, strict=False)
        self.down = nn.ModuleList(
            nn.Sequential(*(_mirror_conv(before if i == 0 else width, width) for i in range(depth)))
            for before, width, depth in widths
        )
        self.narrow = nn.ModuleList(_MirrorConv(maps[i + 1], maps[i], 1, bias=True) for i in range(len(maps) - 1))
        self.merge = nn.ModuleList(_mirror_conv(maps[i], maps[i]) for i in range(len(maps) - 1))
        self.head = _MirrorConv(maps[0], 4 * outputs, 3, bias=True)

    @torch.no_grad()
    def plain(self) -> FastUNet:
        """Return the same network of ordinary convolutions and batch norms."""
        network = FastUNet(*self.shape).to(self.head.weight.device)
        there = dict(network.named_modules())
        for name, part in self.named_modules():
            ordinary = there[name]
            if isinstance(part, _MirrorConv):
                weight, bias = part.full()
                ordinary.weight.copy_(weight)
                if bias is not None:
                    ordinary.bias.copy_(bias)
            elif isinstance(part, _MirrorNorm):
                kept = (ordinary.running_mean, ordinary.running_var, ordinary.weight, ordinary.bias)
                for seen, value in zip(kept, part.full(), strict=True):
                    seen.copy_(value)
        return network.train(self.training)


def averaged(state: Mapping[str, Any]) -> FastUNet:
    """Return the network of a checkpoint with the running average of its weights, as an ordinary one."""
    config = state["config"]
    if config.get("mirrored"):
        mirrored = MirrorUNet(config["maps"], config["depths"])
        mirrored.load_state_dict(state["average"])
        return mirrored.plain()
    network = FastUNet(config["maps"], config["depths"])
    network.load_state_dict(state["average"])
    return network


class WithSigmoid(nn.Module):
    """What is exported: a network with its sigmoid."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of a batch."""
        return torch.sigmoid(self.network(x))
