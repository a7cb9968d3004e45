"""Passwords of storage URLs go nowhere: not to the screen, not into a file."""

import json
import re
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightning_sweeps.overrides.text import quoted

HIDDEN = "***"
# SQLAlchemy's ``render_as_string`` hides the password of a URL that it can parse. People mistype them, put passwords
# into the query, and use Redis; and the message of an error is a text with a URL somewhere in it.
# As SQLAlchemy reads a URL: a user may have an @, and a password anything but that; redis-py takes the last @.
_USER = re.compile(r"[\w+.-]+://[^:/]*:(?=.*@)", re.DOTALL)
# In a text it ends with a blank or a quote. What is a port and a path is no password.
_IN_TEXT = re.compile(r"([\w+.-]+://[^:/\s'\"]*:)(?!\d+/)([^\s'\"]+)(@)")
_KEYS = "pass|pwd|secret|token"  # in the name of what a query holds
_IN_QUERY = re.compile(rf"([?&][^=&\s'\"]*(?:{_KEYS})[^=&\s'\"]*=)[^&\s'\"]*", re.IGNORECASE)
# How a text is written inside of quotes: of Hydra's grammar, JSON's and the shell's.
_ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda text: quoted(text)[1:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: text.replace("'", "'\"'\"'"),
)
_known: dict[str, str] = {}  # URLs with passwords, as they may stand in a text, and what is shown instead


def remember(url: Any) -> None:
    """Mask this URL's password in every text from now on, even if it has blanks or quotes."""
    url = str(url)
    shown = masked_url(url)
    if shown != url:
        once = [inside(url) for inside in _ESCAPES]
        _known.update(dict.fromkeys([url, *once, *(inside(text) for text in once for inside in _ESCAPES)], shown))


def masked_url(url: str) -> str:
    """A URL, and nothing else, without its password and those in its query."""
    if "://" not in url:  # somebody has forgotten a part
        return re.sub(r":[^:]*@", f":{HIDDEN}@", url)
    begun = _USER.match(url)
    rest = url[begun.end() :] if begun else url
    at = rest.find("?", rest.find("@") + 1)  # a password may have a question mark
    rest, query = (rest, "") if at < 0 else (rest[:at], rest[at:])
    if begun:
        password, found, host = rest.rpartition("@")
        rest = f"{HIDDEN if password else ''}@{host}" if found else host
    return (begun[0] if begun else "") + rest + "&".join(map(_without_value, query.split("&")))


def _without_value(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={HIDDEN}" if equals and re.search(_KEYS, name, re.IGNORECASE) else pair


def masked(text: str) -> str:
    """The text without the passwords of the URLs in it."""
    for url in sorted(_known, key=len, reverse=True):  # one may begin with another
        text = text.replace(url, _known[url])
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_TEXT.sub(rf"\1{HIDDEN}\3", text))


def hide_passwords(config: DictConfig) -> None:
    """Mask the storage in the ``hydra`` node of a config, and what was typed for it.

    ``${oc.env:...}`` stays: it is no password, and what it stands for is read where it is needed.
    """
    hydra: Any = config.hydra
    sweeper: Any = OmegaConf.to_container(hydra.sweeper, resolve=False)
    storage = sweeper.get("storage")
    if not _has_password(storage):
        return
    remember(storage)
    with read_write(hydra), open_dict(hydra):
        hydra.sweeper.storage = masked_url(storage)
        typed: Any = OmegaConf.to_container(hydra.overrides.hydra, resolve=False)
        if not any("sweeper.storage" in line for line in typed):  # Hydra composes a job's config from the overrides
            typed.append(f"hydra.sweeper.storage={quoted(storage)}")
        hydra.overrides.hydra = [masked(line) if "sweeper.storage" in line else line for line in typed]


def _has_password(storage: Any) -> bool:
    literal = re.sub(r"\$\{[^}]*\}", "", str(storage))
    return masked_url(literal) != literal
