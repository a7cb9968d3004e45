"""``nox`` runs what CI runs: tests, lint, types and the wheel, each in an environment of its own."""

import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
# uv links packages from one cache into every environment, so torch is fetched once.
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "build"]
nox.options.error_on_missing_interpreters = True

PROJECT = nox.project.load_toml("pyproject.toml")
CODE = ["lightning_sweeps", "tests", "benchmarks", "docs", "examples", "noxfile.py"]


def install(session: nox.Session, *groups: str, project: str | None = "-e.") -> None:
    """The project and its dependency groups; bytecode too, since a cold start takes 20 s without."""
    packages = nox.project.dependency_groups(PROJECT, *groups) if groups else []
    compiled = ["--compile-bytecode"] if session.venv_backend == "uv" and project else []
    session.install(*compiled, *([project] if project else []), *packages)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but the GPU's and the wheel's. Arguments go to pytest."""
    install(session, "test")
    session.run("pytest", *session.posargs)


@nox.session
def ways(session: nox.Session) -> None:
    """The tests that start trials, in the ways that a program is not started in by itself (``tests`` has ``fork``)."""
    install(session, "test")
    for way in ("forkserver", "spawn"):
        session.run("pytest", "-m", "ways", *session.posargs, env={"LIGHTNING_SWEEPS_START_METHOD": way})


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format; ``-- --fix`` mends."""
    install(session, "lint", project=None)
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), *CODE)
    session.run("ruff", "format", *([] if fix else ["--check"]), *CODE)


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    install(session, "test", "types")
    session.run("mypy")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel, install it, and use it from an empty folder, far from the checkout."""
    session.install("build", "uv")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--wheel", "--installer", "uv", "--outdir", folder)
        wheel = next(Path(folder).glob("*.whl"))
        install(session, "test", project=str(wheel))
        session.run("pytest", "-m", "wheel", "tests/test_wheel.py", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Speed, as tables: ``-- run.py`` (the default), ``search.py``, ``scale.py`` or ``own_work.py``, and arguments."""
    install(session, "benchmarks")
    script, *arguments = session.posargs or ["run.py"]
    session.run("python", f"benchmarks/{script}", *arguments)


@nox.session
def pictures(session: nox.Session) -> None:
    """The README's pictures of terminals and of a browser."""
    install(session, "pictures")
    session.run("python", "docs/pictures.py")
    session.run("python", "docs/screenshots.py")


@nox.session
def gpu(session: nox.Session) -> None:
    """The tests that need a GPU; says why where there is none."""
    install(session, "test")
    session.run("pytest", "-m", "gpu", "-rs", *session.posargs)
