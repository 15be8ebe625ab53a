"""Which backbones count as downloaded, from the names of the files that Keras writes into its cache."""

from pathlib import Path

import pytest

from transferline.params.backbone_names import BACKBONES
from transferline.weights_on_this_machine import has_imagenet_weights

KERNELS = "weights_tf_dim_ordering_tf_kernels"


@pytest.mark.parametrize(
    ("file", "backbone"),
    [
        ("mobilenet_1_0_224_tf_no_top.h5", "mobilenet"),
        (f"mobilenet_v2_{KERNELS}_1.0_224_no_top.h5", "mobilenet_v2"),
        ("weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "mobilenet_v3_small"),
        (f"resnet50_{KERNELS}_notop.h5", "resnet50"),
        (f"resnet50v2_{KERNELS}_notop.h5", "resnet50_v2"),
        (f"inception_resnet_v2_{KERNELS}_notop.h5", "inception_resnet_v2"),
        ("nasnet_mobile_no_top.h5", "nasnet_mobile"),
        ("efficientnetb0_notop.h5", "efficientnet_b0"),
        ("efficientnetv2-b0_notop.h5", "efficientnet_v2_b0"),
        ("efficientnetv2-s_notop.h5", "efficientnet_v2_s"),
        ("convnext_xlarge_notop.h5", "convnext_xlarge"),
        (f"vgg16_{KERNELS}.h5", None),
    ],
)
def test_a_file_of_keras_belongs_to_one_backbone(
    file: str, backbone: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / file).touch()
    found = [name for name in BACKBONES if not name.startswith("efficientnet_lite") and has_imagenet_weights(name)]
    assert found == [backbone] * (backbone is not None)
