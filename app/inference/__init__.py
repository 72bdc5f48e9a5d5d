"""Networks on frames: cards, pre-processing, running, decoding into nuclei, measuring."""
