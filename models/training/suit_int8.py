"""A network rearranged, without changing what it computes, so that its 8-bit variant is fast on processors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.shape_inference import infer_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

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
    return _without_unused(wide)


def of_one_channel(model: onnx.ModelProto) -> Iterator[str]:
    """Yield the names of the convolutions of a picture's single channel: in 8 bits they take six times as long."""
    weights = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and weights[node.input[1]].dims[1] == 1:
            yield node.name


def enlarged_by_copies(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the 8-bit model with its enlargements by two, to the nearest pixel, made of copies.

    onnxruntime works out where each number comes from, one by one; here whole pixels, all their channels at once, are
    copied twice and then whole rows, which takes an eighth of the time. The results are the same numbers.

    Parameters
    ----------
    model : ModelProto
        As ``quantize_static`` leaves it, for one picture at a time.

    Raises
    ------
    ValueError
        Something else than whole numbers is enlarged, or otherwise.
    """
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    graph = copied.graph
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    shapes = {each.name: each.type.tensor_type.shape for each in infer_shapes(model).graph.value_info}
    instead: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node.op_type != "Resize":
            continue
        before, name = made_by[node.input[0]], node.output[0]
        (after,) = (each for each in graph.node if name in each.input)
        if not (np.array_equal(values[node.input[2]], (1, 1, 2, 2)) and _in_same_steps(before, after, values)):
            msg = f"{name} is not whole numbers, as they are, at twice the size"
            raise ValueError(msg)
        channels = shapes[node.input[0]].dim[1].dim_value
        for shape, sides in (("pairs", (0, 0, -1, channels)), ("whole", (1, -1, 0, 0))):
            graph.initializer.append(numpy_helper.from_array(np.array(sides, np.int64), f"{name}.{shape}"))
        steps = (
            ("Transpose", [before.input[0]], "lines", {"perm": [2, 0, 3, 1]}),  # rows, 1, columns, channels
            ("Concat", [f"{name}.lines"] * 2, "twice", {"axis": 3}),
            ("Reshape", [f"{name}.twice", f"{name}.pairs"], "wide", {}),
            ("Concat", [f"{name}.wide"] * 2, "four", {"axis": 1}),
            ("Reshape", [f"{name}.four", f"{name}.whole"], "large", {}),
        )
        made = [
            helper.make_node(kind, given, [f"{name}.{to}"], f"{name}.{to}", **how) for kind, given, to, how in steps
        ]
        made.append(helper.make_node("Transpose", [f"{name}.large"], after.output, name, perm=[0, 3, 1, 2]))
        instead.update({before.output[0]: [], name: [], after.output[0]: made})
    nodes = [new for node in graph.node for new in instead.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(nodes)
    return _without_unused(copied)


def _in_same_steps(
    before: onnx.NodeProto, after: onnx.NodeProto, values: Mapping[str, npt.NDArray[np.generic]]
) -> bool:
    """Return whether ``after`` takes numbers back to the whole ones that ``before`` made them from."""
    kinds = before.op_type, after.op_type
    steps = ([values[name] for name in node.input[1:]] for node in (before, after))
    return kinds == ("DequantizeLinear", "QuantizeLinear") and all(map(np.array_equal, *steps))


def _without_unused(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the weights that none of its nodes names."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model


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
