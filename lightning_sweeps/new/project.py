"""Templates -> a project, in a folder that was not there."""

import importlib.util
import keyword
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.new.samples import write_samples
from lightning_sweeps.overrides.groups import CONF

KINDS = ("tensors", "table", "images")
TEMPLATES = Path(__file__).parent / "templates"
PACKAGE = "PACKAGE"  # stands for the package's name in the templates' paths


def write_project(folder: Path, kind: str, package: str | None = None) -> str:
    """Write a project for this kind of data.

    Args:
        folder: must not be there, or be empty.
        kind: one of ``KINDS``.
        package: its name; None makes one of the folder's name.

    Returns:
        The package's name.

    Raises:
        ConfigError: the name is none of a package, or another package has it.
        FolderError: something is in the folder, or it cannot be written.
    """
    name = _package_name(folder, package)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderError(f"{folder}: it exists already; name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as there:
            project = Path(there, "project")
            _render(project, kind, name)
            write_samples(project / "data", kind)
            shutil.copymode(TEMPLATES, project)
            project.rename(folder)  # onto an empty one too
    except OSError as error:
        raise FolderError(f"{folder} cannot be written: {error.strerror or error}") from error
    return name


def _package_name(folder: Path, given: str | None) -> str:
    name = given or re.sub(r"\W+", "_", folder.absolute().name.lower()).strip("_")
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        raise ConfigError(f"{name!r} is no name of a package; name one: --package my_project")
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise ConfigError(f"{name}: there is a package of this name already; name another one: --package my_{name}")
    return name


def _render(project: Path, kind: str, package: str) -> None:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (no HTML)
    )
    given = {
        "package": package,
        "distribution": package.replace("_", "-"),
        "kind": kind,
        "version": version("lightning_sweeps"),
        "config": _config(),
    }
    for part in ("common", kind):
        for file in sorted((TEMPLATES / part).rglob("*.jinja")):
            relative = str(file.relative_to(TEMPLATES / part)).replace(PACKAGE, package).removesuffix(".jinja")
            text = environment.get_template(file.relative_to(TEMPLATES).as_posix()).render(given)
            target = project / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            shutil.copymode(file, target)


def _config() -> str:
    """The primary config that ships here, with the project's own parts in place of the examples."""
    text = (CONF / "config.yaml").read_text(encoding="utf-8").partition("\n")[2]
    for group, option in (("model", "net"), ("datamodule", "data")):
        text, count = re.subn(rf"^(  - {group}: )\w+$", rf"\g<1>{option}", text, flags=re.MULTILINE)
        assert count == 1, group  # noqa: S101 (of our own file)
    return text
