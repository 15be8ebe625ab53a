"""Lists the packages of the wheel. The folders flows, tasks and recipes become parts of the package transferline."""

from setuptools import find_packages, setup

PARTS = {f"transferline.{name}": name for name in ("flows", "tasks", "recipes")}

setup(packages=[*find_packages("src"), *PARTS], package_dir={"": "src", **PARTS})
