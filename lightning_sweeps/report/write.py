"""The report as one HTML file that needs no network."""

import base64
import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.report import comparison, facts, trials
from lightning_sweeps.report.advice import advice
from lightning_sweeps.report.differences import differences
from lightning_sweeps.report.figures import figures
from lightning_sweeps.report.still import StillStudy
from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record.saved import Saved

# The page asks nothing of any network, whatever is in a name or a log that it shows.
POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; connect-src {connect}\">"
)
GENERATOR = '<meta name="generator" content="lightning_sweeps">'
PAGE = Path(__file__).parent / "page"
SCRIPTS = (
    "plotly",
    "details",
    "selection",
    "copy",
    "table",
    "figures",
    "curves",
    "panel",
    "side_by_side",
    "live",
)  # in this order; they see what those before them define
# Of which a page of several searches has none.
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("best", "details"), None),
    **dict.fromkeys(("honesty", "space", "setup", "about_best", "advice", "states", "front", "differences"), ()),
    "failures": "",
}
MARGIN = {"t": 24, "r": 16, "b": 48, "l": 64}


def write_report(saved: Saved, file: Path) -> Path:
    """Write the report of one search.

    Raises:
        ConfigError: the file is there and is no report.
    """
    return _write(file, report_page(saved, file))


def report_page(saved: Saved, file: Path, live: str = "") -> str:
    """The report of one search, as HTML.

    Args:
        file: where it is, from which its links are seen.
        live: names the state of the search that it shows, if a server tells what the state is now.
    """
    saved = replace(saved, study=StillStudy(saved.study))
    header, rows = trials.table(saved)
    best, about_best = facts.best(saved)
    metric = facts.metric_of(saved)
    context = {
        "title": _title(saved),
        "overview": facts.overview(saved),
        "best": best,
        "failures": facts.failures(saved),
        "score": shown(best.value) if best is not None else "",
        "metric": metric,
        "about_best": about_best,
        "front": trials.front(saved),
        "advice": advice(saved),
        "states": trials.states(saved),
        "honesty": [*facts.changes(saved), *facts.honesty(saved)],
        "header": header,
        "rows": rows,
        "details": trials.details(saved, file),
        "figures": figures(saved.study, metric),
        "space": facts.space(saved),
        "setup": facts.setup(saved),
        "live": live,
    }
    return _page(context)


def write_comparison(searches: Sequence[Saved], file: Path) -> Path:
    """Write several searches side by side.

    Raises:
        ConfigError: they cannot be compared, or the file is there and is no report.
    """
    for saved in searches:
        if len(saved.study.directions) > 1:
            raise ConfigError(f"{_title(saved)}: it has several objectives, so there is no best so far to compare")
        if saved.study.direction is not searches[0].study.direction:
            raise ConfigError(
                f"{_title(saved)} has another direction than {_title(searches[0])}: they cannot be compared"
            )
    named = list(zip(_names(searches), searches, strict=True))
    metrics = {facts.metric_of(saved) for saved in searches}
    header, rows = comparison.comparison_table(named)
    context = {
        "title": f"{len(searches)} searches",
        "overview": [("objective", ", ".join(sorted(metrics)))],
        "header": header,
        "differences": (["", *(name for name, _ in named)], differences(searches)),
        "rows": [(number, [trials.cell(value) for value in row]) for number, row in enumerate(rows)],
        "figures": comparison.compare(named, ", ".join(sorted(metrics))),
    }
    return _write(file, _page(context))


def overview_page(title: str, rows: Sequence[Any]) -> str:
    """All searches below a folder, as HTML.

    Args:
        rows: with name, state, trials, best, metric, begun and size.
    """
    scripts = ("details", "selection", "table") if rows else ()
    return _filled("overview.html", {"title": title, "rows": rows}, scripts)


def folder_page(title: str, content: Sequence[Path]) -> str:
    """The files and folders of a folder, as HTML."""
    names = [one.name + ("/" if one.is_dir() else "") for one in content]
    return _filled("folder.html", {"title": title, "names": names})


def _write(file: Path, page: str) -> Path:
    if file.is_dir():
        raise ConfigError(f"{file} is a folder; name a file")
    if file.is_file() and GENERATOR not in file.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise ConfigError(f"{file} is there already, and it is no report; write elsewhere with --output FILE")
    write_atomically(file, page)
    return file


def _page(context: dict[str, Any]) -> str:
    parts = {"plotly": _plotly(), "as_json": _as_json, "plain_json": _plain_json}
    return _filled("report.html", {**parts, **NOTHING, **context}, SCRIPTS)


def _filled(template: str, context: dict[str, Any], scripts: Sequence[str] = ()) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    head = {
        "generator": Markup(GENERATOR),  # noqa: S704
        "policy": Markup(POLICY.format(connect="'self'" if context.get("live") else "'none'")),  # noqa: S704
        "css": _part("report.css"),
        "live": "",
    }
    return environment.get_template(template).render(
        {**head, **context, "scripts": [_part(f"{name}.js") for name in scripts]}
    )


@cache
def _plotly() -> str:
    """As ``plotly.js`` unpacks it."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), compresslevel=4, mtime=0)).decode()


def _part(name: str) -> Markup:
    return Markup((PAGE / name).read_text(encoding="utf-8"))  # noqa: S704


def _as_json(drawing: Any) -> Markup:
    """A figure for a script element: without its template, which the page has once, and without tags."""
    content = json.loads(drawing.to_json())
    layout = content["layout"]
    for name in ("template", "title", "width", "height"):
        layout.pop(name, None)
    layout["margin"] = {**MARGIN, **layout.get("margin", {})}
    return _plain_json(content)


def _plain_json(content: Any) -> Markup:
    """Data for a script element, without tags."""
    return Markup(json.dumps(content, separators=(",", ":")).replace("<", r"\u003c"))  # noqa: S704


def _title(saved: Saved) -> str:
    return "/".join(saved.folder.parts[-2:]) if saved.folder is not None else saved.study.study_name


def _names(searches: Sequence[Saved]) -> list[str]:
    """Short names that differ: folders without what they have in common."""
    folders = [str(saved.folder or saved.study.study_name) for saved in searches]
    if len(set(folders)) < len(folders):
        return [f"{index}: {folder}" for index, folder in enumerate(folders, start=1)]
    common = os.path.commonpath(folders) if all(saved.folder for saved in searches) else ""
    return [os.path.relpath(folder, common) if common else folder for folder in folders]
