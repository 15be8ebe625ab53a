"""How a stage trains: optimizer, schedule of the learning rate, loss and callbacks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Fraction, Section, Views


class Adam(Section):
    """Adam; `learning_rate` per step."""

    name: Literal["adam"]
    learning_rate: Annotated[float, Field(gt=0)]


class RmsProp(Section):
    """RMSprop with momentum (0 for none)."""

    name: Literal["rmsprop"]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Sgd(Section):
    """Stochastic gradient descent with momentum (0 for none), plain or Nesterov's."""

    name: Literal["sgd"]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False


class Lbfgs(Section):
    """L-BFGS, to the optimum for each strength of the L2 penalty.

    `l2`: l2 / 2 times the squared norm of the kernel is added to the sum of all views' losses, so that it is 1 / C of
    scikit-learn's logistic regression.
    """

    name: Literal["lbfgs"]
    l2: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


Optimizer = Annotated[Adam | RmsProp | Sgd, Field(discriminator="name")]


class Constant(Section):
    """The optimizer's learning rate in every step, unless `reduce_on_plateau` lowers it."""

    kind: Literal["constant"]


class Cosine(Section):
    """From 0 up to the optimizer's learning rate in `warmup_epochs`, then down along half a cosine to `final_fraction`
    of it at the last epoch.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, without the restarts.
    """

    kind: Literal["cosine"]
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    final_fraction: Fraction = 0.0


Schedule = Annotated[Constant | Cosine, Field(discriminator="kind")]
Smoothing = Annotated[float, Field(ge=0, lt=1)]


class CrossEntropy(Section):
    """Cross-entropy: of all classes in multiclass problems, of each pixel's classes in segmentation, of each label by
    itself in the others.

    `label_smoothing` moves that share of a target to the middle (Szegedy and others, Rethinking the Inception
    Architecture, CVPR 2016).
    """

    kind: Literal["cross_entropy"]
    label_smoothing: Smoothing = 0.0


class Focal(Section):
    """Cross-entropy times (1 - p) to the power `gamma`, p being the probability of the truth, so that what is learnt
    already counts less (Lin and others, Focal Loss for Dense Object Detection, ICCV 2017)."""

    kind: Literal["focal"]
    gamma: Annotated[float, Field(ge=0)] = 2.0
    label_smoothing: Smoothing = 0.0


Loss = Annotated[CrossEntropy | Focal, Field(discriminator="kind")]
Monitor = Literal["val_loss", "val_accuracy", "val_mean_average_precision", "val_mean_iou"]


class EarlyStopping(Section):
    """Stops after `patience` epochs without a better `monitor`."""

    patience: Annotated[int, Field(ge=1)]


class ReduceOnPlateau(Section):
    """Multiplies the learning rate by `factor` after `patience` epochs without a better `monitor`, down to
    `min_learning_rate`."""

    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Annotated[int, Field(ge=1)]
    min_learning_rate: Annotated[float, Field(ge=0)]


ClassWeights = Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]]


class LinearTraining(Section):
    """How `train_head` finds the logits where nothing else of the head has weights: at the optimum, not by epochs.

    The L2 strength with the best `monitor` is kept. `class_weights` and `monitor` as in `Training`.
    """

    optimizer: Lbfgs
    class_weights: ClassWeights
    monitor: Monitor


class Training(Section):
    """How a stage trains. The weights of the epoch with the best `monitor` are kept.

    `class_weights`: none, balanced (labels over classes times labels of the class), or a weight per class. `monitor`:
    val_accuracy is for binary and multiclass problems, val_mean_average_precision for multilabel ones, val_mean_iou for
    segmentation. `tensorboard`: whether to write logs for it to `logs/<candidate>/<phase>`. `strategy`: one device
    (none), a replica on each device of this machine (mirrored), or on each device of the machines that TF_CONFIG names
    (multi_worker), which all run the stage at the same time; a batch is divided between the replicas.
    `mixed_precision`: convolutions and products in float32 (none) or bfloat16, weights in float32 always; for CPUs that
    have instructions for bfloat16, and several times slower on others (benchmarks/SCALE.md).
    """

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    optimizer: Optimizer
    schedule: Schedule = Constant(kind="constant")
    loss: Loss = CrossEntropy(kind="cross_entropy")
    class_weights: ClassWeights
    monitor: Monitor
    early_stopping: EarlyStopping | None
    reduce_on_plateau: ReduceOnPlateau | None
    tensorboard: bool = False
    strategy: Literal["none", "mirrored", "multi_worker"] = "none"
    mixed_precision: Literal["none", "bfloat16"] = "none"

    @model_validator(mode="after")
    def _one_hand_on_the_learning_rate(self) -> Self:
        if self.schedule.kind != "constant" and self.reduce_on_plateau:
            raise ValueError("reduce_on_plateau needs schedule: {kind: constant}; with another one set it to null")
        if isinstance(self.schedule, Cosine) and self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(f"schedule.warmup_epochs must be below epochs, {self.epochs}")
        return self


class EndToEndTraining(Training):
    """How a network without a pretrained part trains, and on which views: one of each image per epoch, drawn anew.

    `views`: `untouched` is the image itself, `flipped` adds the flips that `augment` allows, `augmented` takes the
    image itself and the augmented views.
    """

    views: Views


class SegmentationTraining(EndToEndTraining):
    """How a segmentation network trains; epochs and views as in `EndToEndTraining`.

    `frozen_epochs`: in the first of the `epochs` the encoder is frozen, then everything is trained, from the best
    weights on and with a fresh optimizer and schedule; 0 trains all at once. `class_weights` weigh pixels. `dice` times
    the soft Dice loss is added to `loss`.
    """

    frozen_epochs: Annotated[int, Field(ge=0)] = 0
    dice: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _frozen_part_of_the_epochs(self) -> Self:
        if self.frozen_epochs > self.epochs:
            raise ValueError(f"frozen_epochs is {self.frozen_epochs}, more than the epochs, {self.epochs}")
        if isinstance(self.schedule, Cosine):
            for epochs in (self.frozen_epochs, self.epochs - self.frozen_epochs):
                if 0 < epochs <= self.schedule.warmup_epochs:
                    raise ValueError(f"schedule.warmup_epochs must be below {epochs}, the epochs of either part")
        return self
