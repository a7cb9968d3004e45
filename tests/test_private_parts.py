"""What is used of other libraries without being promised by them: a release that changes it fails here, by name.

Each is used where there is no public way, or where that way costs what a benchmark sees.
"""

import dataclasses
import inspect
import multiprocessing.process
import multiprocessing.spawn
import subprocess
import sys

import hydra._internal.logging_config
import hydra._internal.utils
import hydra.core.override_parser.types as override_types
import lightning.fabric.strategies.launchers.subprocess_script as fabric_launcher
import lightning.pytorch.strategies.launchers.subprocess_script as trainer_launcher
import optuna
import optuna.storages._rdb.models as tables
import optuna.storages._rdb.storage
import optuna.storages.journal._file
import pytest
import torch
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.execution_policy import _DeferredTarget
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.utils import instantiate
from hydra_plugins.hydra_optuna_sweeper._impl import create_optuna_distribution_from_override
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from omegaconf import DictConfig, OmegaConf
from omegaconf.base import Container
from optuna.exceptions import ExperimentalWarning
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from optuna.storages.journal._storage import JournalOperation
from torch.utils.tensorboard import SummaryWriter

from lightning_sweeps.callbacks.checkpoint import EpochCheckpoint
from lightning_sweeps.searches.store.database import _INNER
from lightning_sweeps.searches.store.known_tables import are_known


def takes(function, *names):
    """Whether a function has these parameters, in this order, before any others."""
    return [*inspect.signature(function).parameters][: len(names)] == list(names)


class TestOptuna:
    def test_a_trial_may_be_given_its_parameters_after_it_was_made(self):
        trial = optuna.create_study().ask()
        assert isinstance(trial._get_latest_trial(), optuna.trial.FrozenTrial)
        assert trial._fixed_params == {}
        trial._fixed_params = {"x": 2}
        assert trial.suggest_int("x", 0, 9) == 2
        assert isinstance(trial.relative_params, dict)
        assert trial.relative_search_space is not None
        assert takes(optuna.samplers.BaseSampler.sample_relative, "self", "study", "trial", "search_space")

    def test_a_distribution_says_what_it_contains(self):
        assert optuna.distributions.IntDistribution(0, 3)._contains(2.0)
        assert not optuna.distributions.CategoricalDistribution(["a", "b"])._contains(2)

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    def test_samplers_keep_what_they_know_of_constraints_where_it_can_be_set(self):
        assert optuna.samplers.TPESampler()._constraints_func is None
        assert optuna.samplers.GPSampler()._constraints_func is None
        for sampler in (optuna.samplers.NSGAIISampler(), optuna.samplers.NSGAIIISampler()):
            parts = (sampler, sampler._elite_population_selection_strategy, sampler._after_trial_strategy)
            assert [hasattr(part, "_constraints_func") for part in parts] == [True, True, True]

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    def test_a_gaussian_process_keeps_its_fits_where_they_can_be_forgotten(self):
        kept = [name for name in vars(optuna.samplers.GPSampler()) if name.endswith("gprs_cache_list")]
        assert kept == ["_gprs_cache_list", "_constraints_gprs_cache_list"]

    def test_samplers_read_a_study_by_one_call_and_constraints_by_their_attribute(self):
        study = optuna.create_study()
        assert takes(optuna.Study._get_trials, "self", "deepcopy", "states", "use_cache")
        trial = study.ask()
        study._storage.set_trial_system_attr(trial._trial_id, "constraints", [2.0])
        assert list(study.trials[0].constraints.values()) == [2.0]

    def test_a_study_has_its_storage_its_number_and_its_thread(self):
        study = optuna.create_study()
        assert isinstance(study._storage, optuna.storages.BaseStorage)
        assert isinstance(study._study_id, int)
        assert not study._stop_flag
        study._thread_local.in_optimize_loop = True
        study.stop()
        assert study._stop_flag, "study.stop() needs in_optimize_loop, and sets _stop_flag"

    def test_what_a_study_has_read_is_forgotten_when_asked(self):
        study = optuna.create_study()
        study.ask()
        study._thread_local.cached_all_trials = None
        assert len(study.get_trials()) == 1

    def test_a_trial_has_its_number_in_the_storage(self):
        trial = optuna.create_study().ask()
        assert isinstance(trial._trial_id, int)
        assert isinstance(trial.study.trials[0]._trial_id, int)

    def test_a_sampler_is_seeded_anew(self):
        state = LazyRandomState(1)
        state.rng.seed(2)
        assert state.rng.random() == LazyRandomState(2).rng.random()
        assert any(isinstance(one, LazyRandomState) for one in vars(optuna.samplers.TPESampler(seed=1)).values())

    def test_the_journal_file(self, own_folder):
        backend = JournalFileBackend(str(own_folder / "j"))
        assert backend._file_path == str(own_folder / "j")
        assert isinstance(backend._lock, optuna.storages.journal._file.BaseJournalFileLock)
        assert callable(optuna.storages.journal._file.get_lock_file)
        assert JournalStorage(backend)._backend is backend

    def test_the_journals_operations(self):
        names = {0: "CREATE_STUDY", 2: "SET_STUDY_USER_ATTR", 4: "CREATE_TRIAL", 6: "SET_TRIAL_STATE_VALUES"}
        assert {number: JournalOperation(number).name for number in names} == names

    def test_a_data_bases_storage(self, own_folder):
        storage = RDBStorage("sqlite:///study.db")
        with optuna.storages._rdb.storage._create_scoped_session(storage.scoped_session) as session:
            assert session.query(tables.StudyModel).count() == 0
        assert takes(_CachedStorage.__init__, "self", "backend")
        cached = _CachedStorage(storage)
        assert cached._backend is storage
        study_id = cached.create_new_study([optuna.study.StudyDirection.MINIMIZE], "s")
        trial_id = cached.create_new_trial(study_id)
        assert cached._trial_id_to_study_id_and_number[trial_id] == (study_id, 0)
        assert cached._studies[study_id].param_distribution == {}
        assert takes(cached._add_trials_to_cache, "study_id", "trials")
        assert cached._lock.acquire(blocking=False)
        assert all(callable(getattr(RDBStorage, name)) for name in _INNER), "these calls are repeated too"
        storage.remove_session()
        storage.engine.dispose()

    def test_the_journal_in_redis(self):
        redis = pytest.importorskip("redis")
        with pytest.warns(ExperimentalWarning):
            backend = JournalRedisBackend("redis://127.0.0.1:1", prefix="p")
        assert isinstance(backend._redis, redis.Redis)
        assert backend._prefix == "p"

    @pytest.mark.parametrize(
        ("table", "columns"),
        [
            ("TrialModel", "trial_id number study_id state datetime_start datetime_complete"),
            ("TrialParamModel", "trial_id param_name param_value distribution_json"),
            ("TrialValueModel", "trial_id objective value value_type"),
            ("TrialIntermediateValueModel", "trial_id step intermediate_value intermediate_value_type"),
            ("TrialUserAttributeModel", "trial_id key value_json"),
            ("TrialSystemAttributeModel", "trial_id key value_json"),
        ],
    )
    def test_the_tables(self, table, columns):
        assert are_known(), "on others studies in a database are slower"
        assert set(columns.split()) <= {column.name for column in getattr(tables, table).__table__.columns}


class TestHydra:
    def test_overrides_are_applied_to_a_config(self):
        assert takes(ConfigLoaderImpl._apply_overrides_to_config, "overrides", "cfg")
        config = OmegaConf.create({"a": 1})
        ConfigLoaderImpl._apply_overrides_to_config([OverridesParser.create().parse_override("a=2")], config)
        assert config.a == 2

    def test_an_override_has_its_value(self):
        override = OverridesParser.create().parse_override("x=shuffle(choice(a,b))")
        assert isinstance(override.value(), override_types.ChoiceSweep)
        assert override.value().shuffle
        assert "_value" in {field.name for field in dataclasses.fields(override)}
        assert OverridesParser.create().parse_override("x=tag(log,interval(1,2))").value().tags == {"log"}

    def test_its_singletons_may_be_set(self):
        assert set(Singleton.get_state()) >= {"instances", "omegaconf_resolvers"}
        assert takes(Singleton.set_state, "state")
        assert hasattr(HydraConfig.instance(), "cfg")

    def test_its_parser_of_flags(self):
        flags = [flag for action in hydra._internal.utils.get_args_parser()._actions for flag in action.option_strings]
        assert {"--multirun", "--config-dir", "--version"} <= set(flags)

    def test_its_partials_are_those_that_are_let_be_pickled(self):
        made = instantiate({"_target_": "builtins.dict", "_partial_": True}, _execution_whitelist_=["builtins.dict"])
        assert type(made) is _DeferredTarget
        assert (made.func, made.args, made.keywords) == (dict, (), {})

    def test_what_configures_its_log_and_reads_its_packages(self):
        assert len(inspect.signature(hydra._internal.logging_config.configure_logging).parameters) >= 1
        assert takes(ImportlibResourcesConfigSource.__init__, "self", "provider", "path")
        Plugins.instance()  # registers them
        assert SourcesRegistry.instance().types["pkg"].__name__ == ImportlibResourcesConfigSource.__name__

    def test_what_a_job_returned(self):
        assert hasattr(JobReturn(), "_return_value")

    def test_a_plugin_is_found_by_its_class_name(self):
        assert (
            "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper" in Plugins.instance().class_name_to_class
        )
        assert OptunaSweeper.__new__ is not object.__new__, "our plugin takes the files that name it"

    def test_the_stock_sweepers_distributions(self):
        override = OverridesParser.create().parse_override("x=interval(0,1)")
        assert create_optuna_distribution_from_override(override) == optuna.distributions.FloatDistribution(0, 1)


class TestOmegaConf:
    def test_a_node_is_found_with_its_type(self):
        assert takes(Container._select_impl, "self", "key", "throw_on_missing", "throw_on_resolution_failure")
        config = DictConfig({"a": {"b": 1}})
        _, _, node = config._select_impl("a.b", throw_on_missing=False, throw_on_resolution_failure=False)
        assert node._value() == node.validate_and_convert(1) == 1


class TestLightning:
    def test_the_starting_of_ranks(self):
        for module in (fabric_launcher, trainer_launcher):
            assert callable(module._SubprocessScriptLauncher._call_children_scripts)
        assert hasattr(LightningEnvironment(), "_main_port")

    def test_whether_a_validation_comes_next(self):
        trainer = Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)
        assert hasattr(trainer.fit_loop, "_data_fetcher")
        assert takes(trainer.fit_loop.epoch_loop._should_check_val_fx, "data_fetcher")
        assert BoringModel().automatic_optimization

    def test_a_checkpoint_callbacks_key(self):
        callback = ModelCheckpoint(monitor="loss")
        mine = EpochCheckpoint(monitor="loss")
        assert mine.state_key.replace("EpochCheckpoint", "ModelCheckpoint") == callback.state_key
        assert callback._train_time_interval is None
        assert (callback._every_n_train_steps, callback._every_n_epochs) == (0, 1)


class TestTorch:
    def test_whether_cuda_was_started_before_a_fork(self):
        assert torch.cuda._is_in_bad_fork() is False

    def test_functions_of_pythons_can_be_switched_off(self):
        with torch.device("meta"), torch._C.DisableTorchFunction():
            assert torch.zeros(1).device.type == "cpu"

    def test_tensorboards_writer(self, own_folder):
        with SummaryWriter(str(own_folder)) as writer:
            assert callable(writer._get_file_writer().add_summary)


class TestPython:
    def test_the_command_line_of_an_interpreter(self):
        assert b"-c" in multiprocessing.spawn.get_command_line() or "-c" in multiprocessing.spawn.get_command_line()

    def test_a_process_that_is_being_started_says_so(self):
        assert "_inheriting" in inspect.getsource(multiprocessing.process) + inspect.getsource(multiprocessing.spawn)

    def test_what_is_done_at_an_end_can_be_done_by_a_process_that_has_none(self):
        code = """
import atexit, threading, weakref

class Thing: pass
kept = [Thing(), Thing()]
before = weakref.finalize(kept[0], print, "of the program")
atexit.register(print, "of the program too")
atexit._clear()
assert atexit._ncallbacks() == 0
assert list(weakref.finalize._registry) == [before]
before.atexit = weakref.finalize._registered_with_atexit = False
after = weakref.finalize(kept[1], print, "of the trial")
threading._shutdown()
threading._shutdown()
atexit._run_exitfuncs()
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "of the trial\n"), done.stderr
