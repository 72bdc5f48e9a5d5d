"""One line about the machine, to stand beside every figure."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """Return processor, cores, load and versions."""
    import onnxruntime

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}"
    return f"{name}, {os.cpu_count()} cores, {load}, {versions}"
