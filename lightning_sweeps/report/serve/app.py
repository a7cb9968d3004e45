"""The pages: reports of searches, their files, and the overview. Nothing is written, and nobody else is let in."""

import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from optuna.exceptions import OptunaError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from lightning_sweeps.errors import SweepsError
from lightning_sweeps.report.serve.overview import Overview, fingerprint
from lightning_sweeps.report.write import folder_page, overview_page, report_page
from lightning_sweeps.searches.record.saved import open_saved
from lightning_sweeps.searches.store.journal import JOURNAL
from lightning_sweeps.searches.store.search_folder import SAVED

PAGE = "report.html"
PAUSE = 5  # after a page, as many times as long as it took
HOSTS = ["127.0.0.1", "localhost"]  # a page of another site that has its name point here is refused
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
TEXTS = {"", ".log", ".txt", ".csv", ".yaml", ".yml", ".json", ".diff", ".md", ".py", ".journal", ".html"}


class Pages:
    """Answers requests for what is below a folder.

    Args:
        root: a search's folder, or one with searches below it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.overview = Overview(self.root)
        self._made: dict[Path, _Made] = {}
        self._making = threading.Lock()

    def begin(self, request: Request) -> Response:
        """The overview, or the report if the root is a search itself."""
        if _is_search(self.root):
            return RedirectResponse(PAGE)
        with self._making:
            rows = self.overview.rows()
        return HTMLResponse(overview_page(str(self.root), rows))

    def below(self, request: Request) -> Response:
        """A report, a file or a folder below the root."""
        try:
            return self._answer(self._place(request.path_params["path"]), request)
        except OSError as error:  # its name is too long, or it is being deleted
            raise HTTPException(404, "there is no such file") from error

    def _answer(self, place: Path, request: Request) -> Response:
        if place.name == PAGE and _is_search(place.parent):
            return self._report(place.parent, request)
        if place.is_dir():
            if not request.url.path.endswith("/"):
                return RedirectResponse(f"{quote(place.name)}/")
            return HTMLResponse(folder_page(place.name, sorted(place.iterdir())))
        if not place.is_file():
            raise HTTPException(404, "there is no such file")
        return _file(place)

    def _place(self, path: str) -> Path:
        """Where a path leads; not out of the root, also not by links."""
        try:
            place = (self.root / path).resolve()
        except (OSError, ValueError) as error:
            raise HTTPException(404, "there is no such file") from error
        if not place.is_relative_to(self.root):
            raise HTTPException(404, "there is no such file")
        return place

    def _report(self, folder: Path, request: Request) -> Response:
        now = repr(fingerprint(folder))
        if "state" in request.query_params:
            made = self._made.get(folder)
            return JSONResponse({"state": made.state if made is not None and made.is_fresh() else now})
        with self._making:
            before = self._made.get(folder)  # another request may have made it meanwhile
            if before is None or before.state != now:
                begun = time.monotonic()
                try:
                    page = report_page(open_saved(str(folder)), folder / PAGE, live=now)
                except (SweepsError, OptunaError) as error:
                    raise HTTPException(503, str(error)) from error
                self._made[folder] = _Made(now, page, time.monotonic(), time.monotonic() - begun)
            return HTMLResponse(self._made[folder].page)


@dataclass(frozen=True)
class _Made:
    """A page that was made."""

    state: str
    page: str
    at: float
    seconds: float  # that it took

    def is_fresh(self) -> bool:
        """Whether it is too early to make it again: the search needs the processor too."""
        return time.monotonic() - self.at < PAUSE * self.seconds


def _is_search(folder: Path) -> bool:
    return (folder / SAVED).is_file() or (folder / JOURNAL).is_file()


def _file(place: Path) -> Response:
    """As text, or to be saved: a file of a trial's must not run as a page."""
    if place.suffix in PICTURES:
        return FileResponse(place, media_type=PICTURES[place.suffix])
    if place.suffix in TEXTS:
        return FileResponse(place, media_type="text/plain; charset=utf-8")
    return FileResponse(place, media_type="application/octet-stream", filename=place.name)


async def _with_headers(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await go_on(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cache-Control"] = "no-store"
    return response


def make_app(root: Path) -> Starlette:
    """The application for what is below a folder."""
    pages = Pages(root)
    return Starlette(
        routes=[Route("/", pages.begin), Route("/{path:path}", pages.below)],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
            Middleware(BaseHTTPMiddleware, dispatch=_with_headers),
        ],
    )
