"""What this user wrote on this machine, told by a key that is in the home and nowhere else."""

import hmac
import os
import secrets
from pathlib import Path


def signature(content: bytes) -> str:
    """Of this user for the content. Makes the key, if there is none.

    Raises:
        OSError: there is no home to keep it in.
    """
    return hmac.new(_key(), content, "sha256").hexdigest()


def is_signed(content: bytes, found: object) -> bool:
    """Whether this is this user's signature for the content."""
    try:
        return isinstance(found, str) and hmac.compare_digest(found, signature(content))
    except (OSError, TypeError):  # TypeError: it is no ASCII
        return False


def _state_folder() -> Path | None:
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "lightning_sweeps"
    except RuntimeError:  # nobody knows a home
        return None


# Its place is read once, before a config could set another place (hydra.job.env_set).
_FOLDER = _state_folder()


def _key() -> bytes:
    if _FOLDER is None:
        raise FileNotFoundError("there is no home to keep a key in")
    folder, file = _FOLDER, _FOLDER / "key"
    try:
        return file.read_bytes()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"key.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(32))
        try:
            os.link(fresh, file)  # the first one's
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return file.read_bytes()
