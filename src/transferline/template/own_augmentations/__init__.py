"""Augmentations of your own: functions in a Python file of this folder that change the colours of an image.

`params.yaml` lists them by import path, such as `own_augmentations.example:solarize` for the function `solarize` of
`own_augmentations/example.py`, each with the range from which its value is drawn for every augmented view:

    augment:
      own:
        - {function: own_augmentations.example:solarize, range: [128, 255]}

An augmentation is `def f(image: np.ndarray, value: float) -> np.ndarray`. It takes and returns float32 (height, width,
channels), 0 to 255, with 1 or 3 channels. It gets the image after all other augmentations and may overwrite it. Its
result must depend only on the image and the value: it draws no random numbers. It must not move pixels, because masks
are not changed with it. Several threads call it at the same time.

A file may import packages, but no other file of this folder. After you edit it, `augment`, `extract` and all trainings
run again.
"""
