"""``python -m lightning_sweeps.report FOLDER --serve``: reports that follow their searches, over loopback."""
