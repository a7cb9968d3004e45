"""Where the messages of libraries go."""

import logging
import threading


def route_messages() -> None:
    """Warnings and Lightning's messages go where ``hydra/job_logging`` says, not to the screen as well."""
    logging.captureWarnings(True)
    # Importing lightning puts a console handler on its logger.
    logger = logging.getLogger("lightning")
    for handler in list(logger.handlers):
        if type(handler) is logging.StreamHandler:
            logger.removeHandler(handler)
    # TensorBoard writes in a thread, and on a full disk that thread and the log fail before the run does.
    threading.excepthook = _log_thread_error
    logging.raiseExceptions = False


def _log_thread_error(failed: threading.ExceptHookArgs) -> None:
    error = (failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback)
    logging.getLogger("lightning_sweeps.file").error("a thread failed", exc_info=error)
