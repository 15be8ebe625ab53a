"""The backbones that `params.yaml` may name, without importing TensorFlow."""

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a backbone comes from and the smallest image side in pixels that it takes."""

    module: str
    constructor: str
    min_side: int = 32


def _family(module: str, min_side: int = 32, **constructors: str) -> dict[str, Entry]:
    return {name: Entry(module, constructor, min_side) for name, constructor in constructors.items()}


BACKBONES: dict[str, Entry] = {
    **_family("transferline.models.efficientnet_lite0", efficientnet_lite0="EfficientNetLite0"),
    **_family("keras.applications.mobilenet", mobilenet="MobileNet"),
    **_family("keras.applications.mobilenet_v2", mobilenet_v2="MobileNetV2"),
    **_family(
        "keras.applications.mobilenet_v3", mobilenet_v3_small="MobileNetV3Small", mobilenet_v3_large="MobileNetV3Large"
    ),
    **_family("keras.applications.vgg16", vgg16="VGG16"),
    **_family("keras.applications.vgg19", vgg19="VGG19"),
    **_family("keras.applications.resnet", resnet50="ResNet50", resnet101="ResNet101", resnet152="ResNet152"),
    **_family(
        "keras.applications.resnet_v2", resnet50_v2="ResNet50V2", resnet101_v2="ResNet101V2", resnet152_v2="ResNet152V2"
    ),
    **_family("keras.applications.inception_v3", 75, inception_v3="InceptionV3"),
    **_family("keras.applications.inception_resnet_v2", 75, inception_resnet_v2="InceptionResNetV2"),
    **_family("keras.applications.xception", 71, xception="Xception"),
    **_family(
        "keras.applications.densenet", densenet121="DenseNet121", densenet169="DenseNet169", densenet201="DenseNet201"
    ),
    **_family("keras.applications.nasnet", nasnet_mobile="NASNetMobile", nasnet_large="NASNetLarge"),
    **_family(
        "keras.applications.efficientnet", **{f"efficientnet_b{size}": f"EfficientNetB{size}" for size in range(8)}
    ),
    **_family(
        "keras.applications.efficientnet_v2",
        **{f"efficientnet_v2_b{size}": f"EfficientNetV2B{size}" for size in range(4)},
        efficientnet_v2_s="EfficientNetV2S",
        efficientnet_v2_m="EfficientNetV2M",
        efficientnet_v2_l="EfficientNetV2L",
    ),
    **_family(
        "keras.applications.convnext",
        convnext_tiny="ConvNeXtTiny",
        convnext_small="ConvNeXtSmall",
        convnext_base="ConvNeXtBase",
        convnext_large="ConvNeXtLarge",
        convnext_xlarge="ConvNeXtXLarge",
    ),
}

WITH_ALPHA = ("mobilenet", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")
