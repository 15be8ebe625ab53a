"""The sections that describe a training: optimizer, schedule of the learning rate, loss and callbacks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Fraction, Section, Views

LearningRate = Annotated[float, Field(gt=0, description="the learning rate")]
Momentum = Annotated[float, Field(ge=0, lt=1, description="the momentum; 0: none")]


class Adam(Section):
    """Adam; with weight decay AdamW (Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019)."""

    name: Annotated[Literal["adam"], Field(description="Adam")]
    learning_rate: LearningRate = 1e-3
    weight_decay: Annotated[
        float, Field(ge=0, description="each step makes kernels smaller by this share of the learning rate; 0: none")
    ] = 0.0


class RmsProp(Section):
    """RMSprop."""

    name: Annotated[Literal["rmsprop"], Field(description="RMSprop")]
    learning_rate: LearningRate = 1e-3
    momentum: Momentum = 0.0


class Sgd(Section):
    """Stochastic gradient descent."""

    name: Annotated[Literal["sgd"], Field(description="stochastic gradient descent")]
    learning_rate: LearningRate = 1e-2
    momentum: Momentum = 0.0
    nesterov: Annotated[bool, Field(description="whether to use Nesterov momentum")] = False


class Lbfgs(Section):
    """L-BFGS. It trains to the optimum for each strength of the L2 penalty."""

    name: Annotated[
        Literal["lbfgs"], Field(description="L-BFGS: trains the logits to the optimum for each l2, without epochs")
    ]
    l2: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...],
        Field(
            min_length=1, description="strengths to try: l2 / 2 times the kernel's squared norm is added to the loss"
        ),
    ] = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)


Optimizer = Annotated[Adam | RmsProp | Sgd, Field(discriminator="name")]


class Constant(Section):
    """A constant learning rate, unless `reduce_on_plateau` lowers it."""

    kind: Annotated[Literal["constant"], Field(description="every step has the optimizer's learning rate")]


class Cosine(Section):
    """A learning rate that rises during the warm-up and then falls along half a cosine.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, without the restarts.
    """

    kind: Annotated[
        Literal["cosine"],
        Field(description="rises from 0 in warmup_epochs, then falls along half a cosine until the last epoch"),
    ]
    warmup_epochs: Annotated[int, Field(ge=0, description="the number of epochs in which the learning rate rises")] = 0
    final_fraction: Annotated[
        Fraction, Field(description="the last learning rate as a fraction of the optimizer's")
    ] = 0.0


Schedule = Annotated[Constant | Cosine, Field(discriminator="kind")]
Smoothing = Annotated[
    float, Field(ge=0, lt=1, description="share of each target that is spread evenly (Szegedy and others, CVPR 2016)")
]


class CrossEntropy(Section):
    """Cross-entropy over all classes, for segmentation of each pixel; binary cross-entropy of each label in binary and
    multilabel problems."""

    kind: Annotated[Literal["cross_entropy"], Field(description="cross-entropy")]
    label_smoothing: Smoothing = 0.0


class Focal(Section):
    """Focal loss: cross-entropy with a lower weight for images that are already predicted well.

    Lin and others, Focal Loss for Dense Object Detection, ICCV 2017.
    """

    kind: Annotated[
        Literal["focal"],
        Field(description="cross-entropy times (1 - p)^gamma, where p is the probability of the true label"),
    ]
    gamma: Annotated[float, Field(ge=0, description="the exponent; 0 means cross-entropy")] = 2.0
    label_smoothing: Smoothing = 0.0


Loss = Annotated[CrossEntropy | Focal, Field(discriminator="kind")]
Monitor = Literal["val_loss", "val_accuracy", "val_mean_average_precision", "val_mean_iou"]
MonitorField = Annotated[
    Monitor, Field(description="chooses the weights to keep: val_loss, or the main metric of the kind of problem")
]


class EarlyStopping(Section):
    """Stops a training when its monitor does not improve."""

    patience: Annotated[int, Field(ge=1, description="stops after this number of epochs without improvement")] = 5


class ReduceOnPlateau(Section):
    """Lowers the learning rate when the monitor does not improve."""

    factor: Annotated[float, Field(gt=0, lt=1, description="the factor for the learning rate")] = 0.5
    patience: Annotated[int, Field(ge=1, description="after this number of epochs without improvement")] = 3
    min_learning_rate: Annotated[float, Field(ge=0, description="the lowest learning rate")] = 1e-6


class TensorBoard(Section):
    """What the logs for TensorBoard hold beside the metrics."""

    histograms: Annotated[bool, Field(description="whether to write histograms of all weights in each epoch")] = False


ClassWeights = Annotated[
    Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]],
    Field(description="none, balanced (rare classes count more), or a weight per class (segmentation: for pixels)"),
]


Epochs = Annotated[int, Field(ge=1, description="the largest number of epochs")]
BatchSize = Annotated[int, Field(ge=1, description="the number of images in a batch")]
ScheduleField = Annotated[Schedule, Field(description="how the learning rate changes from step to step")]
StoppingField = Annotated[
    EarlyStopping | None, Field(description="stops the training when the monitor does not improve; null: never")
]
MegapixelsField = Annotated[
    Annotated[float, Field(gt=0)] | None,
    Field(description="at most so many million pixels in all (fine_tune: at each depth), by fewer epochs; null: any"),
]
OptimizerField = Annotated[Optimizer, Field(description="the optimizer and its settings")]
ReduceField = Annotated[
    ReduceOnPlateau | None,
    Field(description="lowers the learning rate when the monitor does not improve; null: never"),
]


class LinearTraining(Section):
    """How `train_head` trains a head in which only the logits have weights: to the optimum, without epochs.

    The weights of the L2 strength with the best `monitor` are kept. With `refit`, validation chooses as before, and
    its metrics are those of the model before the refit. The last computation then also uses the validation images.
    `fine_tune` starts from the head before the refit.
    """

    optimizer: Annotated[Lbfgs, Field(description="the optimizer and its settings")]
    class_weights: ClassWeights = "none"
    monitor: MonitorField = "val_loss"
    refit: Annotated[
        bool, Field(description="whether the chosen L2 strength is computed again on train and validation together")
    ] = False


class Training(Section):
    """How a stage trains. The weights of the epoch with the best `monitor` are kept.

    The balanced weight of a class is labels / (classes × labels of the class). A `strategy` divides each batch between
    the replicas; with multi_worker the stage runs at the same time on all machines that TF_CONFIG names.
    `mixed_precision` keeps the weights in float32. bfloat16 is several times slower on CPUs without instructions for
    it (benchmarks/SCALE.md).
    """

    epochs: Epochs = 25
    batch_size: BatchSize = 32
    optimizer: OptimizerField = Adam(name="adam")
    schedule: ScheduleField = Constant(kind="constant")
    loss: Annotated[Loss, Field(description="what is minimised")] = CrossEntropy(kind="cross_entropy")
    class_weights: ClassWeights = "none"
    monitor: MonitorField = "val_loss"
    early_stopping: StoppingField = EarlyStopping()
    reduce_on_plateau: ReduceField = None
    tensorboard: Annotated[
        bool | TensorBoard, Field(description="whether to write TensorBoard logs to logs/CANDIDATE/PHASE")
    ] = False
    strategy: Annotated[
        Literal["none", "mirrored", "multi_worker"],
        Field(description="none: one device; mirrored: all GPUs of this machine; multi_worker: machines of TF_CONFIG"),
    ] = "none"
    mixed_precision: Annotated[
        Literal["none", "bfloat16"],
        Field(description="none, or bfloat16, for CPUs with instructions for it; others are slower with it"),
    ] = "none"

    @model_validator(mode="after")
    def _one_hand_on_the_learning_rate(self) -> Self:
        if self.schedule.kind != "constant" and self.reduce_on_plateau:
            raise ValueError("reduce_on_plateau needs schedule: {kind: constant}; use that, or set it to null")
        if isinstance(self.schedule, Cosine) and self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs is {self.schedule.warmup_epochs}; it must be below epochs, {self.epochs}"
            )
        return self


class TimedTraining(Training):
    """A training that `max_megapixels` can shorten, so that many or large images do not take hours."""

    max_megapixels: MegapixelsField = None

    def within(self, pixels: int) -> Self:
        """Returns these params with the number of epochs that `max_megapixels` allows, at `pixels` in an epoch."""
        if self.max_megapixels is None:
            return self
        return self.with_epochs(max(1, min(self.epochs, int(self.max_megapixels * 1e6 / pixels))))

    def with_epochs(self, epochs: int) -> Self:
        """Returns these params with another number of epochs, and with a warm-up that is shorter than all epochs.

        A single epoch keeps one epoch of warm-up. Then the learning rate rises in a tenth of it.
        """
        schedule = self.schedule
        if isinstance(schedule, Cosine):
            schedule = schedule.model_copy(update={"warmup_epochs": min(schedule.warmup_epochs, max(epochs - 1, 1))})
        return self.model_copy(update={"epochs": epochs, "schedule": schedule})


class FineTuning(TimedTraining):
    """How `fine_tune` trains. Where `backbone.unfreeze` lists several boundaries, each is trained in this way."""

    epochs: Epochs = 15
    optimizer: OptimizerField = RmsProp(name="rmsprop", learning_rate=1e-5)


class EndToEndTraining(TimedTraining):
    """How a network without a pretrained part trains. Each epoch draws one view of each image at random."""

    views: Annotated[
        Views, Field(description="the views to train on; flipped and augmented include the image itself")
    ] = "augmented"
    epochs: Epochs = 40
