"""Augmentations of your own: functions in a Python file of this folder that change the colours of an image.

`params.yaml` lists them by import path, such as `own_augmentations.example:solarize` for the function `solarize` of
`own_augmentations/example.py`, each with the range from which its value is drawn for every augmented view:

    augment:
      own:
        - {function: own_augmentations.example:solarize, range: [128, 255]}

An augmentation is `def f(image: np.ndarray, value: float) -> np.ndarray`, from and to float32 (height, width,
channels), 0 to 255, with 1 or 3 channels. It gets the image after all other augmentations and may overwrite it. It
follows from the image and the value alone, without random numbers of its own, and moves no pixel, for masks do not go
through it. Several threads call it at once.

A file stands for itself: it imports packages, but no other file of this folder. Editing it draws and extracts all views
again.
"""
