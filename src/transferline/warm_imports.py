"""What a warm parent imports before it is ready, and what while there is nothing to answer; a function is called, which
keeps what it made for the children.
"""

from transferline.warm import COME_BEFORE, DVC, STAGES, TENSORFLOW

AT_ONCE = {TENSORFLOW: "tensorflow", DVC: "dvc.commands.repro"}
LATER = {
    TENSORFLOW: (
        "mlflow.store.tracking.sqlalchemy_store",
        "mlflow.utils.requirements_utils:_init_packages_to_modules_map",  # which it needs to log a model
        "matplotlib.backends.backend_agg",
        "networkx",
        "pyarrow.dataset",
        "ruamel.yaml",
        "sklearn.metrics",
        *(f"transferline.stages.{name}" for name in (*STAGES, "record", "select")),
        "transferline.registry.promotion",
        "transferline.training_lock",
    ),
    DVC: (
        "dvc.cli.parser:get_main_parser",
        "dvc.config:get_compiled_schema",
        *(f"dvc.repo.{name}" for name in ("artifacts", "datasets", "open_repo", "plots", "reproduce", "stage")),
        *(f"dvc.{name}" for name in ("data_cloud", "dirs", "lock", "rwlock", "stage.run", "utils.strictyaml")),
        "dulwich.worktree",
        "pandas",
        "great_expectations",
        "pyarrow.parquet",
        *(f"transferline.stages.{name}" for name in COME_BEFORE),
        "transferline.training_lock",
    ),
}
