"""The preparation of a retraining before its first stage: params and raw data."""

from collections.abc import Callable
from pathlib import Path

from transferline.datasets.changes_by_hand import refuse_edited_import, version_by_hand
from transferline.datasets.public_datasets import check_at_hand, list_source
from transferline.datasets.revisions import take_revision, update_import
from transferline.params import Params
from transferline.problems.metric_choice import check_metrics
from transferline.progress import say
from transferline.use_recipe import complete_params, find_recipe, remove_other_candidates, use


def prepare(
    root: Path, recipe: str | None, data_revision: str | None, update: bool, tell: Callable[[str], None] = say
) -> Params:
    """Prepares params and raw data. Makes a new version of a dataset that somebody changed by hand.

    Args:
        root: the project's folder.
        recipe: write `params.yaml` from this recipe, a file or the name of a recipe of transferline. With None, only
            add the keys that `params.yaml` lacks.
        data_revision: a Git revision. Its `.dvc` file names the version of the raw data to use. None keeps the data.
        update: whether to update an imported dataset from its source.
        tell: receives a line for the user if there were changes by hand.

    Raises:
        TransferlineError: the params are faulty, or the data is missing or cannot be versioned.
    """
    params = use(find_recipe(recipe), root, force=False) if recipe else complete_params(root)
    check_metrics(params)
    dataset = params.data.dataset
    if data_revision:
        take_revision(root, dataset, data_revision)
    if update:
        refuse_edited_import(root, dataset)
        update_import(root, dataset)
    remove_other_candidates(root, params)
    list_source(root, dataset)
    check_at_hand(dataset, root)
    if changes := version_by_hand(root, dataset):
        tell(changes)
    return params
