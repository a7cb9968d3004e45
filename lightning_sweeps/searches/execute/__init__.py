"""Processes of trials: how they begin, what they may use, how they end."""
