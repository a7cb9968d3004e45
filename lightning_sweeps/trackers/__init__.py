"""Trackers of experiments: what a run tells them beside the metrics, which Lightning's loggers tell them."""
