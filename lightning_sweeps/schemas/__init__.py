"""JSON schemas of the config files, for editors: ``python -m lightning_sweeps.schemas``."""
