"""A network and its buffers. The only importer of onnxruntime."""

import json
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.errors import ModelError
from app.inference.model_card import Model
from app.inference.nuclei import Output
from app.inference.providers import Way

VERSION = str(onnxruntime.__version__)
"""Of onnxruntime."""

PROVIDERS = {"cpu": "CPUExecutionProvider", "openvino": "OpenVINOExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Short names of the execution providers."""

BUFFERS_KEPT = 4
"""Input and output buffers are kept for this many image sizes."""

_OUTPUT_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


def available_providers() -> tuple[str, ...]:
    """Return the execution providers of the installed onnxruntime, by its own names."""
    return tuple(onnxruntime.get_available_providers())


def way_of(provider: str, threads: int) -> Way:
    """Return the way that `provider` names; ModelError where it is not there."""
    if provider not in PROVIDERS:
        raise ModelError(f"There is no execution provider '{provider}': choose auto, {', '.join(PROVIDERS)}.")
    if PROVIDERS[provider] not in available_providers():
        raise ModelError(f"The execution provider '{provider}' is not installed: use --provider cpu.")
    return Way(PROVIDERS[provider], threads)


class Network:
    """One onnxruntime session with its buffers."""

    def __init__(self, model: Model, way: Way) -> None:
        self._card = model.card
        self._session = _open(model, way)
        self.provider = str(self._session.get_providers()[0])
        given, output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self._names = given.name, output.name
        self._kind = _OUTPUT_TYPES[output.type]
        self._buffers: dict[tuple[int, int], tuple[NDArray[np.float32], Output, Any]] = {}

    def run(self, image: NDArray[np.float32]) -> Output:
        """Return the network's output (C, h, w) for a normalised image (h, w); valid until the next call."""
        height, width = image.shape
        multiple = self._card.input.multiple_of
        padded = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
        given, output, binding = self._buffer(padded)
        down, right = padded[0] - height, padded[1] - width
        cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REFLECT, dst=given[0, 0])
        given[0, 1:] = given[0, 0]
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise ModelError(
                f"The model failed ({_first_line(error)}): use a smaller image or --provider cpu."
            ) from error
        return output[0, :, :height, :width]

    def _buffer(self, shape: tuple[int, int]) -> tuple[NDArray[np.float32], Output, Any]:
        kept = self._buffers.pop(shape, None)
        if kept is None:
            if len(self._buffers) >= BUFFERS_KEPT:
                del self._buffers[next(iter(self._buffers))]
            given = np.zeros((1, self._card.input.channels, *shape), np.float32)
            output = np.zeros((1, len(self._card.output.channels), *shape), self._kind)
            binding = self._session.io_binding()
            for bind, name, array in zip(
                (binding.bind_input, binding.bind_output), self._names, (given, output), strict=True
            ):
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
            kept = given, output, binding
        self._buffers[shape] = kept
        return kept


def _open(model: Model, way: Way) -> Any:
    """Return a session that really runs on the provider of `way`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = way.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    # DirectML wants no memory pattern; nobody else misses it when frames come in one size.
    options.enable_mem_pattern = way.provider != "DmlExecutionProvider"
    # Spinning threads would take the cores from camera, display and recording between two frames.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if way.threads > 1:
        # Small pieces of work: a thread that camera or screen hold up leaves its share to the other.
        options.add_session_config_entry("session.dynamic_block_base", "4")
    wanted = [(way.provider, _options(way))]
    try:
        data = model.variants.get(way.precision, model.data)
        session = onnxruntime.InferenceSession(data, options, providers=wanted)
    except Exception as error:
        raise ModelError(f"The model {model.path} cannot be run ({_first_line(error)}): install it again.") from error
    # onnxruntime falls back to the CPU with no more than a log line.
    if session.get_providers()[0] != way.provider:
        raise ModelError(f"The execution provider {way.provider} did not start: use --provider cpu.")
    inputs, outputs = session.get_inputs(), session.get_outputs()
    fits = len(inputs) == len(outputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type == "tensor(float)"
    if not fits or outputs[0].type not in _OUTPUT_TYPES:
        raise ModelError(f"The model {model.path} does not take and give one image: install it again.")
    return session


def _options(way: Way) -> dict[str, str]:
    if way.provider != PROVIDERS["openvino"]:
        return {}
    settings = {"INFERENCE_NUM_THREADS": way.threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": way.precision}
    return {"device_type": "CPU", "load_config": json.dumps({"CPU": settings})}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
