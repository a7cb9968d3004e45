"""The config groups as they are on disk: where they are searched, and what ``--help`` says of them."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

_package = Path(__file__).parent.parent
# In a wheel the configs are inside the package, in a checkout beside it.
CONF = next(folder for folder in (_package / "conf", _package.parent / "conf") if folder.is_dir())


def add_config_folder(folder: Path) -> None:
    """Have Hydra search this folder too, after the caller's own."""

    class PackagedConfigs(SearchPathPlugin):
        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            search_path.append(provider="lightning_sweeps", path=f"file://{folder}")

    Plugins.instance().register(PackagedConfigs)


def find_groups(folders: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Group name -> option name -> file. The first folder that has an option wins, as in Hydra's search."""
    groups: dict[str, dict[str, Path]] = {}
    for folder in folders:
        for file in sorted(folder.rglob("*.yaml")):
            group = file.parent.relative_to(folder).as_posix()
            if group != "." and not group.startswith("hydra"):
                groups.setdefault(group, {}).setdefault(file.stem, file)
    return groups


def describe_option(file: Path) -> str:
    """The option's line in ``--help``: its file's second comment, after the command that uses it.

    Hydra's own header, ``# @package``, comes before both: Hydra reads it only there.
    """
    comments = []
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                break
            if not line.startswith("# @"):
                comments.append(line[1:].strip())
    return comments[1] if len(comments) > 1 else ""


def describe_groups(folders: Sequence[Path]) -> str:
    """All groups and options, an option a line."""
    lines = []
    for group, options in find_groups(folders).items():
        lines.append(group)
        width = max(len(name) for name in options)
        lines += [f"  {name:{width}}  {describe_option(file)}".rstrip() for name, file in options.items()]
    # Hydra runs the help text through string.Template.
    return "\n".join(lines).replace("$", "$$")
