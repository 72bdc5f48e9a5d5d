"""dapiscope: runs a fluorescence microscope and counts the nuclei in view, live."""

__version__ = "0.1.0"
