"""Whether Optuna's tables are those that ``rows`` reads and writes by itself."""

import functools
import logging

import optuna

log = logging.getLogger(__name__)
SCHEMA_VERSION = 12  # of Optuna 5.0
KNOWN = {
    "StudyModel": "study_id study_name",
    "TrialModel": "datetime_complete datetime_start number state study_id trial_id",
    "TrialParamModel": "distribution_json param_id param_name param_value trial_id",
    "TrialValueModel": "objective trial_id trial_value_id value value_type",
    "TrialIntermediateValueModel": (
        "intermediate_value intermediate_value_type step trial_id trial_intermediate_value_id"
    ),
    "TrialUserAttributeModel": "key trial_id trial_user_attribute_id value_json",
    "TrialSystemAttributeModel": "key trial_id trial_system_attribute_id value_json",
}


@functools.cache
def are_known() -> bool:
    """Whether they are; says once if they are not."""
    known = _are_known()
    if not known:
        log.warning(
            "The tables of optuna %s are not known here: studies in a database are kept by Optuna's own storage, "
            "which takes several times as long for each trial",
            optuna.__version__,
        )
    return known


def _are_known() -> bool:
    try:
        from optuna.storages._rdb import models

        columns = {name: {column.name for column in getattr(models, name).__table__.columns} for name in KNOWN}
    except (ImportError, AttributeError):
        return False
    expected = {name: set(names.split()) for name, names in KNOWN.items()}
    return models.SCHEMA_VERSION == SCHEMA_VERSION and columns == expected
