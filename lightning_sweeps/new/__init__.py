"""A project of one's own: written once, and then the person's."""
