"""Imported first by the server that trials are forked from: every trial's process starts with all of this done."""

import atexit
import gc

gc.disable()  # it would go through everything that is being imported again and again; each trial turns it on

from hydra.core.plugins import Plugins  # noqa: E402

import lightning_sweeps.study.process  # noqa: E402, F401

Plugins.instance()
atexit.register(gc.unfreeze)  # some libraries complain when the interpreter leaves and their objects are still there
