"""A network rearranged, without changing what it computes, so that its 8-bit variant is fast on processors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterator

LANES = 16
"""Outputs that onnxruntime's 8-bit convolutions work out at once; twelve take twice the time of sixteen."""


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model whose convolutions give whole multiples of `LANES` outputs, cut off again behind them.

    Parameters
    ----------
    model : ModelProto
        With the weights of its convolutions as initialisers.
    """
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    graph = wide.graph
    weights = {each.name: each for each in graph.initializer}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "Conv":
            continue
        outputs = weights[node.input[1]].dims[0]
        more = -outputs % LANES
        if not more or outputs < LANES // 2:
            continue  # one or two outputs are cheaper as they are
        for place, name in enumerate(node.input[1:], start=1):
            values = numpy_helper.to_array(weights[name])
            padded = np.pad(values, [(0, more)] + [(0, 0)] * (values.ndim - 1))
            node.input[place] = f"{name}.wide"
            graph.initializer.append(numpy_helper.from_array(padded, node.input[place]))
        narrow, node.output[0] = node.output[0], f"{node.output[0]}.wide"
        cut = {"from": [0], "to": [outputs], "axis": [1]}
        for name, number in cut.items():
            graph.initializer.append(numpy_helper.from_array(np.array(number, np.int64), f"{narrow}.{name}"))
        nodes.append(helper.make_node("Slice", [node.output[0], *(f"{narrow}.{name}" for name in cut)], [narrow]))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return wide


def of_one_channel(model: onnx.ModelProto) -> Iterator[str]:
    """Yield the names of the convolutions of a picture's single channel: in 8 bits they take six times as long."""
    weights = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and weights[node.input[1]].dims[1] == 1:
            yield node.name


def in_whole_numbers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the 8-bit model without the last step back to 0…1: its output is 0…255, a quarter of the memory.

    Raises
    ------
    ValueError
        The output is no probability in steps of 1/255.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    graph = whole.graph
    (output,) = graph.output
    last = next(node for node in graph.node if output.name in node.output)
    before = next(node for node in graph.node if last.input[0] in node.output)
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    scale, zero = (float(values[name]) for name in last.input[1:])
    if last.op_type != "DequantizeLinear" or zero != 0 or not np.isclose(scale, 1 / 255, rtol=1e-5):
        msg = f"the output is in steps of {scale:g} from {zero:g}, not of 1/255 from 0"
        raise ValueError(msg)
    before.output[0] = output.name
    graph.node.remove(last)
    output.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    return whole
