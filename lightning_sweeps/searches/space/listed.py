"""Values from a file, one a line: ``model.width: file(widths.txt)``."""

import re
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

FORM = re.compile(r"\s*file\(\s*(?P<quote>['\"]?)(?P<path>.+?)(?P=quote)\s*\)\s*")
MOST_BYTES = 1_000_000


def from_file(text: str) -> str:
    """The text of a parameter with the file's values in its place; other texts as they are.

    Empty lines, and those that begin with ``#``, are no values.

    Raises:
        ValueError: the file cannot be read, or has no values.
    """
    named = FORM.fullmatch(text)
    if named is None:
        return text
    path = Path(named["path"]).expanduser()
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB")
        lines = enumerate(map(str.strip, path.read_text(encoding="utf-8").splitlines()), start=1)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or 'no text in UTF-8'}") from error
    values = [_checked(line, f"{path}, line {number}") for number, line in lines if line and not line.startswith("#")]
    if not values:
        raise ValueError(f"{path} has no values; write one a line")
    return f"choice({values[0]})" if len(values) == 1 else ",".join(values)


def _checked(value: str, where: str) -> str:
    try:
        several = OverridesParser.create().parse_override(f"x={value}").is_sweep_override()
    except HydraException as error:
        raise ValueError(f"{where}: {value} is no value of Hydra's overrides; put a text into quotes") from error
    if several:
        raise ValueError(f"{where}: {value} is more than one value; put a text into quotes, or write one a line")
    return value
