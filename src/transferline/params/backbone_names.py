"""The backbones that `params.yaml` can name. This module does not import TensorFlow."""

from typing import NamedTuple


class BackboneEntry(NamedTuple):
    """A backbone: module, constructor, smallest image side, and the side of its training on ImageNet, in pixels."""

    module: str
    constructor: str
    min_side: int = 32
    native_side: int = 224


def _family(
    module: str, constructors: dict[str, str], min_side: int = 32, native_sides: tuple[int, ...] = ()
) -> dict[str, BackboneEntry]:
    """Returns the entries of a module; without `native_sides`, each has 224 px."""
    sides = native_sides or (224,) * len(constructors)
    return {
        name: BackboneEntry(module, constructor, min_side, side)
        for (name, constructor), side in zip(constructors.items(), sides, strict=True)
    }


BACKBONES: dict[str, BackboneEntry] = {
    **_family(
        "transferline.models.efficientnet_lite",
        {f"efficientnet_lite{n}": f"EfficientNetLite{n}" for n in range(3)},
        native_sides=(224, 240, 260),
    ),
    **_family("keras.applications.mobilenet", {"mobilenet": "MobileNet"}),
    **_family("keras.applications.mobilenet_v2", {"mobilenet_v2": "MobileNetV2"}),
    **_family(
        "keras.applications.mobilenet_v3", {f"mobilenet_v3_{n.lower()}": f"MobileNetV3{n}" for n in ("Small", "Large")}
    ),
    **_family("keras.applications.vgg16", {"vgg16": "VGG16"}),
    **_family("keras.applications.vgg19", {"vgg19": "VGG19"}),
    **_family("keras.applications.resnet", {f"resnet{n}": f"ResNet{n}" for n in (50, 101, 152)}),
    **_family("keras.applications.resnet_v2", {f"resnet{n}_v2": f"ResNet{n}V2" for n in (50, 101, 152)}),
    **_family("keras.applications.inception_v3", {"inception_v3": "InceptionV3"}, 75, (299,)),
    **_family("keras.applications.inception_resnet_v2", {"inception_resnet_v2": "InceptionResNetV2"}, 75, (299,)),
    **_family("keras.applications.xception", {"xception": "Xception"}, 71, (299,)),
    **_family("keras.applications.densenet", {f"densenet{n}": f"DenseNet{n}" for n in (121, 169, 201)}),
    **_family(
        "keras.applications.nasnet",
        {f"nasnet_{n.lower()}": f"NASNet{n}" for n in ("Mobile", "Large")},
        native_sides=(224, 331),
    ),
    **_family(
        "keras.applications.efficientnet",
        {f"efficientnet_b{n}": f"EfficientNetB{n}" for n in range(8)},
        native_sides=(224, 240, 260, 300, 380, 456, 528, 600),
    ),
    **_family(
        "keras.applications.efficientnet_v2",
        {f"efficientnet_v2_{n.lower()}": f"EfficientNetV2{n}" for n in ("B0", "B1", "B2", "B3", "S", "M", "L")},
        native_sides=(224, 240, 260, 300, 384, 480, 480),
    ),
    **_family(
        "keras.applications.convnext",
        {f"convnext_{n.lower()}": f"ConvNeXt{n}" for n in ("Tiny", "Small", "Base", "Large", "XLarge")},
    ),
}

WITH_ALPHA = ("mobilenet", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")
