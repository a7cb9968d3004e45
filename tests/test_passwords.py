"""No password is shown, wherever it is in a URL."""

import json
import shlex

from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from sqlalchemy import make_url

from lightning_sweeps.overrides.text import quoted
from lightning_sweeps.safety.passwords import _known, hide_passwords, masked, masked_url, remember

NAMES = st.text("abcXY019-_@.+", min_size=1, max_size=8)
SECRETS = st.text("kqzKQZ57/ ?:#&=;'\"$%{}[]\\!+", min_size=1, max_size=20).map(lambda text: f"QQ{text}ZZ")


@settings(max_examples=2000, deadline=None)
@given(user=NAMES, password=SECRETS, in_query=st.booleans(), port=st.sampled_from(["", ":5432"]))
def test_no_part_of_a_generated_password_is_shown(user, password, in_query, port):
    """Wherever SQLAlchemy finds it: in texts, in commands, in configs and in what was typed."""
    _known.clear()
    password = password.replace("&", "").replace("#", "") if in_query else password
    url = f"db://{user}@host{port}/d?a=b&pwd={password}" if in_query else f"db://{user}:{password}@host{port}/d?a=b"
    assert in_query or make_url(url).password
    remember(url)
    typed = f"hydra.sweeper.storage={quoted(url)}"
    texts = [f"cannot open {url}", f"('{url}',)", shlex.join(["app.py", typed]), json.dumps({"command": typed})]
    for text in (*texts, f"error: {masked_url(url)}"):
        assert "QQ" not in masked(text), masked(text)
        assert "ZZ" not in masked(text), masked(text)


@settings(max_examples=500, deadline=None)
@given(password=SECRETS)
def test_no_part_of_a_generated_password_is_in_a_config(password):
    url = f"db://me:{password}@host/d".replace("$", "")  # an interpolation stays, and stands for what is not written
    typed = [f"hydra.sweeper.storage={quoted(url)}"]
    config = OmegaConf.create({"hydra": {"sweeper": {"storage": url}, "overrides": {"hydra": typed}}})
    hide_passwords(config)
    assert "QQ" not in OmegaConf.to_yaml(config)
    assert "ZZ" not in OmegaConf.to_yaml(config)


def test_a_password_is_masked():
    assert masked("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert masked("sqlite:///study.db") == "sqlite:///study.db"
    assert masked("postgresql://host/db?user=me&password=secret&x=1") == "postgresql://host/db?user=me&password=***&x=1"
    assert masked("error at 'postgresql://me:sec(ret@host'") == "error at 'postgresql://me:***@host'"
    assert masked("postgresql://me@corp:a/b@host/db") == "postgresql://me@corp:***@host/db"
    assert masked("http://localhost:8080/a@b") == "http://localhost:8080/a@b", "a port and a path"


def test_a_url_that_begins_with_another_is_masked_whole():
    for url in ("db://me@host/d?pwd=secret", "db://me@host/d?pwd=secret'more"):
        remember(url)
    assert masked("cannot open db://me@host/d?pwd=secret'more") == "cannot open db://me@host/d?pwd=***"
