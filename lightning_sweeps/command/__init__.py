"""The command line: Hydra's application, its messages, and the plugin that begins a search."""
