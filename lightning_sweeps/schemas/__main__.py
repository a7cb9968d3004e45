"""``python -m lightning_sweeps.schemas``: write the JSON schemas of the config files, for editors.

They are in ``schemas`` beside the folder of configs; ``.vscode/settings.json`` names them for VS Code's YAML extension.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.parser import Parser

MADE_WITH = "made with"
_SHAPING = ("lightning", "torch", "torchmetrics", "torchvision", "pydantic", "docstring-parser")


def main() -> None:
    """Read the command line and do it; with ``--check`` leaves with exit code 1 if a file is not fresh."""
    parser = Parser("python -m lightning_sweeps.schemas", __doc__)
    parser.add_argument("--conf", type=Path, default=CONF, help="a folder of configs of your own")
    parser.add_argument("--check", action="store_true", help="write nothing; say which files are not fresh")
    arguments = parser.parse_args()
    conf = arguments.conf.resolve()
    if not conf.is_dir():
        sys.exit(f"error: {arguments.conf}: no such folder")
    written = texts(conf)
    stale = [file for file, text in written.items() if not file.is_file() or file.read_text("utf-8") != text]
    if arguments.check:
        sys.exit(f"not fresh: {', '.join(map(str, stale))}; run python -m lightning_sweeps.schemas" if stale else 0)
    for file, text in written.items():
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, text)
        say(f"{file}\n")


def texts(conf: Path) -> dict[Path, str]:
    """File -> what it should contain."""
    from lightning_sweeps.schemas.files import files_of, schemas

    top = conf.parent
    folders = [conf] if conf == CONF else [conf, CONF]
    found = schemas(folders)
    patterns = {f"./schemas/{name}.json": files_of(name, conf) for name in found if files_of(name, conf)}
    made = ", ".join(f"{name} {version}" for name, version in made_with().items())
    written = {
        top / "schemas" / f"{name}.json": _text({"$comment": f"{MADE_WITH} {made}", **schema})
        for name, schema in found.items()
    }
    settings = top / ".vscode" / "settings.json"
    there = json.loads(settings.read_text("utf-8")) if settings.is_file() else {}
    written[settings] = _text({**there, "yaml.schemas": {**there.get("yaml.schemas", {}), **patterns}})
    return written


def made_with() -> dict[str, str]:
    """The versions of what shapes the schemas."""
    return {"python": "{}.{}".format(*sys.version_info), **{name: version(name) for name in _SHAPING}}


def _text(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
