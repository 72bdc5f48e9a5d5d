"""Training of the networks: ``python -m models.training --help``.

Needs the extra ``train`` (PyTorch, ONNX). Nothing in ``app`` imports it.
"""
