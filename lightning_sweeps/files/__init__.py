"""Whose folder is whose, and what is known of the code."""
