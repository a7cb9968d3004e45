"""A new project: written once, and then the user's."""
