"""An 8-bit variant of an exported model, for processors that multiply 8-bit numbers faster than others."""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.training.augment import CropMaker
from models.training.data import read_folder, split_by_group
from models.training.export import strip, write_card
from models.training.suit_int8 import enlarged_by_copies, in_whole_numbers, of_one_channel, widened

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

SEED = 5
CROPS, CROP_PX = 120, 208
"""Training crops on which the range of every layer is seen."""


class _Crops(CalibrationDataReader):
    """Training crops, as the training draws them."""

    def __init__(self, crops: CropMaker) -> None:
        rng = np.random.default_rng(SEED)
        self._left: Iterator[npt.NDArray[np.float32]] = (crops.draw(rng)[0][None] for _ in range(CROPS))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        """Return the next crop, None at the end."""
        crop = next(self._left, None)
        return None if crop is None else {"image": crop.astype(np.float32)}


def quantise(card_path: Path, data: Path) -> Path:
    """Write ``NAME-int8.onnx`` beside a model and name it in the card; return its path.

    Parameters
    ----------
    card_path : Path
        ``models/NAME.toml``.
    data : Path
        The training set; only its training part is seen.
    """
    card = tomllib.loads(card_path.read_text(encoding="utf-8"))
    training, _, _ = split_by_group(read_folder(data), 0.12, int(card["training"]["seed"]))
    crops = CropMaker(training, CROP_PX, card["input"]["nucleus_diameter_px"], (-1.0, 1.1), 0.07, 0.08)
    target = card_path.with_name(f"{card['name']}-int8.onnx")
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(card_path.with_name(card["file"]), ready, skip_symbolic_shape=True)
        suited = widened(onnx.load(ready))
        onnx.save(suited, ready)
        quantize_static(
            ready,
            target,
            _Crops(crops),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=list(of_one_channel(suited)),
        )
    small = enlarged_by_copies(in_whole_numbers(onnx.load(target)))
    target.write_bytes(strip(small).SerializeToString())
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    card["variants"] = {"int8": {"file": target.name, "sha256": digest}}
    write_card(card_path, card)
    return target
