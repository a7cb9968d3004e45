"""``nox`` runs what CI runs: tests, lint, types and the wheel, each in an environment of its own."""

import os
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
# uv links packages from one cache into every environment, so torch is fetched once.
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "docs", "tests", "build"]
nox.options.error_on_missing_interpreters = True

PROJECT = nox.project.load_toml("pyproject.toml")
CODE = ["lightning_sweeps", "tests", "benchmarks", "docs", "examples", "noxfile.py"]


# One more than cores, since tests also wait for processes. Twice as many take as long.
PARALLEL = ["-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal"]
QUICK = [
    *("tests/test_imports.py", "tests/test_private_parts.py", "tests/test_passwords.py"),
    *("tests/searches/engine", "tests/searches/test_space.py", "tests/searches/test_compose.py"),
    "tests/contracts/test_storages.py",
    "tests/searches/test_search.py::test_every_combination_runs_once",
    "tests/test_run.py::test_leaves_what_a_person_needs",
    # Storages in memory and in a journal; and 1,000 spaces that are compared with Hydra's own sweeper take 20 s.
    *("-k", "not (sqlite or postgresql or mysql or redis or database or redis_server or whatever_is_typed)"),
]


def groups(*names: str) -> list[str]:
    """What these dependency groups name."""
    return nox.project.dependency_groups(PROJECT, *names)


def install(session: nox.Session, *names: str, project: str | None = "-e.") -> None:
    """The project and its dependency groups; bytecode too, since a cold start takes 20 s without."""
    packages = groups(*names) if names else []
    compiled = ["--compile-bytecode"] if session.venv_backend == "uv" and project else []
    session.install(*compiled, *([project] if project else []), *packages)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but the GPU's and the wheel's. Arguments go to pytest."""
    install(session, "test")
    session.run("pytest", *PARALLEL, *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """What the user runs while working: the engine, spaces, storages, one real search, one real run."""
    install(session, "test")
    session.run("pytest", *QUICK, *session.posargs)


@nox.session(python=["3.12", "3.13"])
def pythons(session: nox.Session) -> None:
    """The quick tests on the other Pythons."""
    install(session, "test")
    session.run("pytest", *QUICK, *session.posargs)


@nox.session(venv_backend="uv")
def newest(session: nox.Session) -> None:
    """The quick tests with the latest release of each dependency, pre-releases and those beyond its bound too."""
    anything = Path(session.create_tmp(), "overrides.txt")
    anything.write_text("\n".join(map(_without_upper_bound, PROJECT["project"]["dependencies"])))
    session.install("--upgrade", "--prerelease=allow", f"--overrides={anything}", "-e.", *groups("test"))
    session.run("pytest", *QUICK, *session.posargs)


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The quick tests with the oldest release of each dependency that pyproject.toml allows."""
    session.install("--resolution=lowest-direct", "-e.", *groups("test"))
    session.run("pytest", *QUICK, *session.posargs)


def _without_upper_bound(requirement: str) -> str:
    """``optuna>=5,<6`` -> ``optuna>=5``; what is excluded stays excluded."""
    return ",".join(part for part in requirement.split(",") if not part.lstrip().startswith("<"))


@nox.session
def ways(session: nox.Session) -> None:
    """The tests that start trials, in the ways that a program is not started in by itself (``tests`` has ``fork``)."""
    install(session, "test")
    for way in ("forkserver", "spawn"):
        session.run("pytest", "-m", "ways", *session.posargs, env={"LIGHTNING_SWEEPS_START_METHOD": way})


# Schema -> the files that it is for.
OF_THE_REPOSITORY = {
    "vendor.github-workflows": ".github/workflows/*.yml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "vendor.citation-file-format": "CITATION.cff",
}


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format; ``-- --fix`` mends. And what GitHub reads, which cannot run here."""
    install(session, "lint", project=None)
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), *CODE)
    session.run("ruff", "format", *([] if fix else ["--check"]), *CODE)
    for schema, pattern in OF_THE_REPOSITORY.items():
        session.run("check-jsonschema", "--builtin-schema", schema, *map(str, Path().glob(pattern)))
    session.run("zizmor", "--offline", ".github")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site, in ``site/``; a link that leads nowhere is an error."""
    install(session, "docs", project=None)
    session.run("zensical", "build", "--strict", "--clean")


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
    """Tables: ``-- run.py`` (the default), ``search.py``, ``scale.py``, ``quality.py``, ``pruners.py``; arguments."""
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
