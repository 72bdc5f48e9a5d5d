"""The networks dapiscope ships (``*.onnx``), their cards (``*.toml``) and the code that made them."""

from __future__ import annotations

from pathlib import Path

MODEL_DIR = Path(__file__).resolve().parent
"""Folder that holds the model files and their cards in a checkout."""
