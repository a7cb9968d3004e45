"""Hydra's own suites for launchers and sweepers, run against ``hydra/sweeper=study``.

Its batched suite is about batches, of which this sweeper has none.
"""

import shutil
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils import test_utils
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from omegaconf import OmegaConf

from lightning_sweeps.command.sweeper import StudySweeper

pytestmark = [pytest.mark.slow, pytest.mark.ways, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module", autouse=True)
def plugins_are_there() -> None:
    """Hydra's suites put its singletons back as they were, and plugins that are imported once more register nothing."""
    Plugins.instance()


def test_hydra_finds_the_sweeper():
    assert StudySweeper in Plugins.instance().discover(Sweeper)


@pytest.fixture
def hydra_sweep_runner(monkeypatch):
    """Hydra's own runner; what trials returned is read from their folders, as the sweeper returns the best value."""
    enter = test_utils.SweepTaskFunction.__enter__

    def enter_and_read(self):
        enter(self)
        trials = sorted(int(folder.name) for folder in Path(self.temp_dir).iterdir() if folder.name.isdigit())
        self.returns = [[job_return(Path(self.temp_dir) / str(number), self) for number in trials]]
        return self

    def run(**arguments) -> test_utils.SweepTaskFunction:
        sweep = test_utils.SweepTaskFunction()
        for name, value in arguments.items():
            setattr(sweep, name, str(value) if name == "temp_dir" else value)
        return sweep

    monkeypatch.setattr(test_utils.SweepTaskFunction, "__enter__", enter_and_read)
    return run


def job_return(folder: Path, sweep: test_utils.SweepTaskFunction) -> JobReturn:
    """A job as Hydra's launchers return it, of what is in the trial's folder."""
    result = JobReturn()
    result.cfg = OmegaConf.load(folder / ".hydra" / "config.yaml")
    result.hydra_cfg = OmegaConf.load(folder / ".hydra" / "hydra.yaml")
    result.overrides = list(OmegaConf.load(folder / ".hydra" / "overrides.yaml"))
    result.working_dir = str(Path.cwd())
    result.task_name = result.hydra_cfg.hydra.job.name
    return result


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", ["hydra/sweeper=study"])])
class TestLauncherSuite(LauncherTestSuite):
    test_sweep_with_custom_resolver = None  # its task returns a text; a trial returns a number

    def test_failure_preserves_task_traceback(self, hydra_sweep_runner, launcher_name, overrides, tmp_path):
        def task_func(_) -> None:
            try:
                raise ValueError("launcher cause")  # noqa: TRY301
            except ValueError as cause:
                raise RuntimeError("launcher failure") from cause

        sweep = hydra_sweep_runner(
            calling_file=None,
            calling_module="hydra.test_utils.a_module",
            task_function=task_func,
            config_path="configs",
            config_name="compose.yaml",
            overrides=[f"hydra/launcher={launcher_name}", *overrides],
            temp_dir=tmp_path,
        )
        with pytest.raises(SystemExit), sweep:
            pass
        log = (tmp_path / "0" / "output.log").read_text()  # where a trial's traceback is, and not on the screen
        assert "ValueError: launcher cause" in log
        assert "The above exception was the direct cause" in log
        assert "in task_func" in log
        assert "RuntimeError: launcher failure" in log


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=basic", "hydra/sweeper=study"])]
)
class TestIntegrationSuite(IntegrationTestSuite):
    def generate_custom_cmd(self):
        """The suite's scripts return nothing; a trial returns a number.

        And it uses one folder for two searches, of which the second would go on with the first.
        """

        def returning_a_number(command: list[str], filename: str) -> list[str]:
            shutil.rmtree("cli_dir", ignore_errors=True)
            script = Path(filename)
            script.write_text(script.read_text().replace("\nif __name__", "    return 0\n\nif __name__"))
            return command

        return returning_a_number
