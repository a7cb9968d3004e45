"""Overrides, config groups and commands, as text."""
