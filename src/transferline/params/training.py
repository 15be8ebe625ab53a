"""How a stage trains: optimizer, schedule of the learning rate, loss and callbacks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Fraction, Section, Views

LearningRate = Annotated[float, Field(gt=0, description="the size of a step")]
Momentum = Annotated[float, Field(ge=0, lt=1, description="the share of the steps before in a step; 0: none")]


class Adam(Section):
    """Adam."""

    name: Annotated[Literal["adam"], Field(description="Adam")]
    learning_rate: LearningRate = 1e-3


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
    nesterov: Annotated[bool, Field(description="Nesterov's momentum instead of the plain one")] = False


class Lbfgs(Section):
    """L-BFGS, to the optimum for each strength of the L2 penalty."""

    name: Annotated[
        Literal["lbfgs"], Field(description="L-BFGS finds the optimum of the logits, without epochs, for each l2")
    ]
    l2: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...],
        Field(
            min_length=1, description="strengths to try: l2 / 2 times the kernel's squared norm is added to the loss"
        ),
    ] = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)


Optimizer = Annotated[Adam | RmsProp | Sgd, Field(discriminator="name")]


class Constant(Section):
    """The optimizer's learning rate in every step, unless `reduce_on_plateau` lowers it."""

    kind: Annotated[Literal["constant"], Field(description="the optimizer's learning rate in every step")]


class Cosine(Section):
    """Half a cosine.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, without the restarts.
    """

    kind: Annotated[
        Literal["cosine"], Field(description="up from 0 in warmup_epochs, then down along half a cosine until the end")
    ]
    warmup_epochs: Annotated[int, Field(ge=0, description="the epochs in which the learning rate rises")] = 0
    final_fraction: Annotated[
        Fraction, Field(description="the last learning rate as a fraction of the optimizer's")
    ] = 0.0


Schedule = Annotated[Constant | Cosine, Field(discriminator="kind")]
Smoothing = Annotated[
    float, Field(ge=0, lt=1, description="this share of a target moves to the middle (Szegedy and others, CVPR 2016)")
]


class CrossEntropy(Section):
    """Cross-entropy: of all classes in multiclass problems, of each pixel's classes in segmentation, of each label by
    itself in the others."""

    kind: Annotated[Literal["cross_entropy"], Field(description="cross-entropy")]
    label_smoothing: Smoothing = 0.0


class Focal(Section):
    """Cross-entropy that counts less what is learnt already (Lin and others, Focal Loss for Dense Object Detection,
    ICCV 2017)."""

    kind: Annotated[
        Literal["focal"], Field(description="cross-entropy times (1 - p)^gamma, p being the probability of the truth")
    ]
    gamma: Annotated[float, Field(ge=0, description="the exponent; 0 is cross-entropy")] = 2.0
    label_smoothing: Smoothing = 0.0


Loss = Annotated[CrossEntropy | Focal, Field(discriminator="kind")]
Monitor = Literal["val_loss", "val_accuracy", "val_mean_average_precision", "val_mean_iou"]
MonitorField = Annotated[
    Monitor, Field(description="what decides which weights are kept: val_loss, or the metric of the kind of problem")
]


class EarlyStopping(Section):
    """Stops a training that gets no better."""

    patience: Annotated[int, Field(ge=1, description="stops after so many epochs without a better monitor")] = 5


class ReduceOnPlateau(Section):
    """Lowers the learning rate of a training that gets no better."""

    factor: Annotated[float, Field(gt=0, lt=1, description="by what the learning rate is multiplied")] = 0.5
    patience: Annotated[int, Field(ge=1, description="after so many epochs without a better monitor")] = 3
    min_learning_rate: Annotated[float, Field(ge=0, description="the lowest learning rate")] = 1e-6


ClassWeights = Annotated[
    Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]],
    Field(description="none, balanced (the rarer, the heavier), or a weight for each class (segmentation: for pixels)"),
]


Epochs = Annotated[int, Field(ge=1, description="at most so many times over the images")]
BatchSize = Annotated[int, Field(ge=1, description="the images of a step")]
OptimizerField = Annotated[Optimizer, Field(description="what changes the weights")]
ReduceField = Annotated[
    ReduceOnPlateau | None,
    Field(description="lowers the learning rate of a training that gets no better; null: never"),
]


class LinearTraining(Section):
    """How `train_head` finds the logits where nothing else of the head has weights: at the optimum, not by epochs.

    The L2 strength with the best `monitor` is kept.
    """

    optimizer: Annotated[Lbfgs, Field(description="what changes the weights")]
    class_weights: ClassWeights = "none"
    monitor: MonitorField = "val_loss"


class Training(Section):
    """How a stage trains. The weights of the epoch with the best `monitor` are kept.

    Balanced `class_weights` are the labels over the classes times the labels of the class. A `strategy` divides each
    batch between the replicas; multi_worker runs the stage at the same time on the machines that TF_CONFIG names.
    `mixed_precision` keeps the weights in float32; bfloat16 is several times slower on CPUs without instructions for it
    (benchmarks/SCALE.md).
    """

    epochs: Epochs = 25
    batch_size: BatchSize = 32
    optimizer: OptimizerField = Adam(name="adam")
    schedule: Annotated[Schedule, Field(description="how the learning rate changes from step to step")] = Constant(
        kind="constant"
    )
    loss: Annotated[Loss, Field(description="what is minimised")] = CrossEntropy(kind="cross_entropy")
    class_weights: ClassWeights = "none"
    monitor: MonitorField = "val_loss"
    early_stopping: Annotated[
        EarlyStopping | None, Field(description="stops a training that gets no better; null: never")
    ] = EarlyStopping()
    reduce_on_plateau: ReduceField = None
    tensorboard: Annotated[bool, Field(description="write logs for TensorBoard to logs/CANDIDATE/PHASE")] = False
    strategy: Annotated[
        Literal["none", "mirrored", "multi_worker"],
        Field(description="one device, those of this machine, or those of the machines that TF_CONFIG names"),
    ] = "none"
    mixed_precision: Annotated[
        Literal["none", "bfloat16"],
        Field(description="bfloat16 for CPUs that have instructions for it; slower on others"),
    ] = "none"

    @model_validator(mode="after")
    def _one_hand_on_the_learning_rate(self) -> Self:
        if self.schedule.kind != "constant" and self.reduce_on_plateau:
            raise ValueError("reduce_on_plateau needs schedule: {kind: constant}; with another one set it to null")
        if isinstance(self.schedule, Cosine) and self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(f"schedule.warmup_epochs must be below epochs, {self.epochs}")
        return self


class FineTuning(Training):
    """How `fine_tune` trains: with the small steps that pretrained weights bear."""

    epochs: Epochs = 15
    optimizer: OptimizerField = RmsProp(name="rmsprop", learning_rate=1e-5)


class EndToEndTraining(Training):
    """How a network without a pretrained part trains, on one view of each image per epoch, drawn anew."""

    views: Annotated[Views, Field(description="on which views; flipped and augmented also take the image itself")] = (
        "augmented"
    )
    epochs: Epochs = 40


class SegmentationTraining(EndToEndTraining):
    """How a segmentation network trains.

    After the frozen epochs everything is trained, from the best weights on and with a fresh optimizer and schedule.
    """

    batch_size: BatchSize = 4
    optimizer: OptimizerField = Adam(name="adam", learning_rate=1e-4)
    reduce_on_plateau: ReduceField = ReduceOnPlateau()
    frozen_epochs: Annotated[
        int, Field(ge=0, description="the first of the epochs, in which the encoder is frozen; 0: none")
    ] = 0
    dice: Annotated[float, Field(ge=0, description="so many times the soft Dice loss is added to loss")] = 0.0

    @model_validator(mode="after")
    def _frozen_part_of_the_epochs(self) -> Self:
        if self.frozen_epochs > self.epochs:
            raise ValueError(f"frozen_epochs is {self.frozen_epochs}, more than the epochs, {self.epochs}")
        if isinstance(self.schedule, Cosine):
            for epochs in (self.frozen_epochs, self.epochs - self.frozen_epochs):
                if 0 < epochs <= self.schedule.warmup_epochs:
                    raise ValueError(f"schedule.warmup_epochs must be below {epochs}, the epochs of either part")
        return self
