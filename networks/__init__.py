"""Backbones and networks of your own: functions in a Python file of this folder that build a Keras model.

`params.yaml` names them by import path, such as `networks.example:tiny_backbone` for the function `tiny_backbone` of
`networks/example.py`:

    backbone: {name: networks.example:tiny_backbone, weights: none, pooling: avg, unfreeze: null}
    layers: networks.example:tiny_network

A backbone is `def f(shape: tuple[int, int, int]) -> keras.Model`. The model takes one input of that shape (height,
width, channels), float32 pixels of 0 to 255, and returns one feature map (height, width, channels). Preprocessing, if
any, must be its first layers. `backbone.unfreeze` counts its `layers`. `weights: none` keeps the weights that the
function returns; `weights: {path, sha256}` loads a file that `model.save_weights` or `model.save` wrote.

A network replaces the list in `layers`. It is `def f(shape: tuple[int, ...], outputs: int) -> keras.Model`. The model
takes one input of `shape`, float32, and returns `outputs` logits, without an activation. In an end_to_end candidate
the input is the image, pixels of 0 to 255; on a backbone it is the pooled vector, or with `pooling: none` the feature
map.

Both are functional or sequential models of Keras's own layers and operations. They contain no Lambda and no class or
function of yours, so that the exported model can be loaded in safe mode without this folder. A file may import
packages, but no other file of this folder. After you edit it, `extract` and all trainings run again. Each call must
build the same weights. If a file that it reads changes, use `transferline run --force-from extract`.
"""
