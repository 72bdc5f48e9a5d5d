"""Cameras and light sources: the contracts, the real drivers and their simulators."""
