"""Whose folder is whose, what is known of the code, and what a process writes at its end."""
