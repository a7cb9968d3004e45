"""Imported once by the forkserver: every trial's process starts with all of this done."""

import atexit
import gc

from hydra.core.plugins import Plugins

import lightning_sweeps.study.process  # noqa: F401

Plugins.instance()
gc.freeze()
atexit.register(gc.unfreeze)  # some libraries complain when the interpreter leaves and their objects are still there
