"""The data that a model was trained on: its revision from `dvc.lock`, and the number of images of each class."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from transferline.datasets.dvc_lock_file import CORRECTIONS, LOCK, dependency_hash, locked_stages
from transferline.paths import RAW, VALIDATION_REPORT

DATA_FILE = "data.json"
LONGEST_TAG = 100_000  # of a registered version; MLflow refuses a longer one


class TrainedData(BaseModel):
    """The data that a model was trained on; unknown values are empty.

    Attributes:
        data_revision, corrections_revision: DVC's hashes of the raw data and of `data/corrections` that `validate`
            read.
        images: number of images that were kept.
        classes: number of those images by class and split; an image with several labels counts for each of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    data_revision: str = ""
    corrections_revision: str = ""
    images: int = 0
    classes: dict[str, dict[str, int]] = Field(default_factory=dict)

    @property
    def images_by_class(self) -> dict[str, int]:
        """Number of images of each class in all splits."""
        return {name: sum(splits.values()) for name, splits in self.classes.items()}

    def tags(self) -> dict[str, str]:
        """Returns the tags for MLflow's page; unknown values are left out."""
        tags = {name: str(getattr(self, name)) for name in ("dataset", "data_revision", "corrections_revision")}
        return {name: value for name, value in {**tags, "images": str(self.images or "")}.items() if value}

    def class_tag(self) -> dict[str, str]:
        """Returns the tag `images_by_class` of a registered version; nothing if it is too long for MLflow."""
        value = json.dumps(self.images_by_class, ensure_ascii=False, separators=(",", ":"))
        return {"images_by_class": value} if self.classes and len(value) <= LONGEST_TAG else {}


def trained_data(root: Path, dataset: str) -> TrainedData:
    """Returns the data that the pipeline in `root` trains on, as the last run of `validate` counted it."""
    stages, report = locked_stages(root / LOCK), root / VALIDATION_REPORT
    found = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    counts = found.get("counts", {})
    return TrainedData(
        dataset=dataset,
        data_revision=dependency_hash(stages, RAW / dataset),
        corrections_revision=dependency_hash(stages, CORRECTIONS),
        images=counts.get("kept", 0),
        classes=counts.get("classes", {}),
    )


def read_trained_data(folder: Path) -> TrainedData | None:
    """Reads the data of a registered version from its `origin/`; None if the version was registered without it."""
    file = folder / DATA_FILE
    return TrainedData.model_validate_json(file.read_text(encoding="utf-8")) if file.exists() else None
