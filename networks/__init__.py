"""Backbones and networks of your own: functions in a Python file of this folder that build a Keras model.

`params.yaml` names them by import path, such as `networks.example:tiny_backbone` for the function `tiny_backbone` of
`networks/example.py`:

    backbone: {name: networks.example:tiny_backbone, weights: none, pooling: avg, unfreeze: null}
    layers: networks.example:tiny_network

A backbone is `def f(shape: tuple[int, int, int]) -> keras.Model`: from one input of that shape (height, width,
channels), float32 pixels of 0 to 255, to one feature map (height, width, channels). Its preprocessing, if any, is its
first layers. `backbone.unfreeze` counts in its `layers`. `weights: none` keeps the weights that the function returns,
`weights: {path, sha256}` loads a file that `model.save_weights` or `model.save` wrote.

A network, which stands where `layers` has a list, is `def f(shape: tuple[int, ...], outputs: int) -> keras.Model`: from
one input of `shape`, float32, to `outputs` logits, without an activation. In an end_to_end candidate the input is the
image, pixels of 0 to 255; on a backbone it is the pooled vector, or with `pooling: none` the feature map.

Both are functional or sequential models of Keras's own layers and operations: no Lambda, no class or function of
yours inside, so that the exported model loads in safe mode where this folder is not. A file stands for itself: it
imports packages, but no other file of this folder. Editing it makes the banks of the candidates that name it anew.
"""
