"""``python -m lightning_sweeps.rerun``: a trial of a search once more."""
