"""From a trained network to the two files the app reads: ``NAME.onnx`` and its card ``NAME.toml``."""

from __future__ import annotations

import copy
import hashlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from models.training.networks import FastUNet, WithSigmoid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt

OPSET = 18
MAX_DIFFERENCE = 1e-3
"""The ONNX file may differ from PyTorch by no more than this, in probability."""


def fold_stem(network: FastUNet) -> nn.Conv2d:
    """Return one 6x6 convolution of stride 2 equal to the space-to-depth and the 3x3 convolution after it."""
    first = network.down[0][0][0]
    fused = nn.Conv2d(1, first.out_channels, 6, stride=2, padding=2, bias=first.bias is not None)
    with torch.no_grad():
        for channel in range(4):
            dy, dx = divmod(channel, 2)
            fused.weight[:, 0, dy::2, dx::2] = first.weight[:, channel]
        if first.bias is not None:
            fused.bias.copy_(first.bias)
    return fused


def for_inference(network: nn.Module) -> nn.Module:
    """Return a copy ready for export: batch norms folded, and the stem of a :class:`FastUNet`."""
    network = copy.deepcopy(network).to("cpu", memory_format=torch.contiguous_format).float().eval()
    for part in network.modules():
        if isinstance(part, nn.Sequential) and len(part) == 3 and isinstance(part[1], nn.BatchNorm2d):
            part[0] = nn.utils.fuse_conv_bn_eval(part[0], part[1])
            part[1] = nn.Identity()
    if isinstance(network, FastUNet):
        network.down[0][0][0] = fold_stem(network)
        network.folded = True
    return network


def to_onnx(network: nn.Module, path: Path, channels: int, multiple_of: int) -> str:
    """Write the network with its sigmoid, height and width free; return the file's SHA-256.

    Raises
    ------
    ValueError
        The file gives other results than the network.
    """
    ready = WithSigmoid(for_inference(network)).eval()
    example = torch.rand(1, channels, 4 * multiple_of, 6 * multiple_of)
    high = 16384 // multiple_of
    free = {side: torch.export.Dim(name, min=1, max=high) * multiple_of for side, name in ((2, "h"), (3, "w"))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            ready, (example,), input_names=["image"], output_names=["probability"], dynamic_shapes=(free,),
            opset_version=OPSET, dynamo=True, verbose=False,
        )  # fmt: skip
    model = strip(program.model_proto)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    _compare(ready, path, channels, multiple_of)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the exporter's notes (they hold paths of the machine) and name the free sides."""
    del model.metadata_props[:]
    model.doc_string = ""
    graph = model.graph
    graph.name, graph.doc_string = "nuclei", ""
    del graph.value_info[:]
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*graph.input, *graph.output):
        for side, name in ((2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[side].dim_param = name
    return model


def session(path: Path, threads: int = 0) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Return the ONNX file as a function on the CPU provider that gives 0…1, be it in 8 bits or not."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    runner = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        output = runner.run(None, {"image": x})[0]
        return output.astype(np.float32) / np.float32(255) if output.dtype == np.uint8 else output

    return run


def _compare(network: nn.Module, path: Path, channels: int, multiple_of: int) -> None:
    run = session(path, threads=1)
    for rows, columns in ((3, 5), (8, 2)):
        x = torch.rand(1, channels, rows * multiple_of, columns * multiple_of)
        with torch.no_grad():
            gap = float(np.abs(network(x).numpy() - run(x.numpy())).max())
        if gap > MAX_DIFFERENCE:
            msg = f"{path.name} differs from the network by {gap:.1e}: export with another PyTorch version"
            raise ValueError(msg)


def _value(value: Any) -> str:
    """Return a TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | np.number):
        return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write a card: plain keys first, then one table per mapping; nested mappings become inline tables."""
    lines = [f"{key} = {_value(value)}" for key, value in card.items() if not isinstance(value, dict)]
    for name, table in card.items():
        if not isinstance(table, dict):
            continue
        lines += ["", f"[{name}]"]
        for key, value in table.items():
            if isinstance(value, list) and value and all(isinstance(v, str) and len(v) > 40 for v in value):
                lines += [f"{key} = [", *(f"  {_value(v)}," for v in value), "]"]
            elif isinstance(value, dict):
                inner = ", ".join(f'"{k}" = {_value(v)}' for k, v in value.items())
                lines.append(f"{key} = {{ {inner} }}")
            else:
                lines.append(f"{key} = {_value(value)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
