"""The one console that the training prints to; apart from the rest because it needs no PyTorch."""

from __future__ import annotations

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
