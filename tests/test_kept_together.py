"""Images of a group and images that look alike are kept together."""

import networkx as nx
import numpy as np
import pandas as pd

from transferline.insight.kept_together import folds, units


def test_units_join_groups_and_images_that_look_alike() -> None:
    random = np.random.default_rng(0)
    hashes = [random.bytes(32).hex() for _ in range(40)]
    near = f"{int(hashes[3], 16) ^ 0b101:064x}"
    kept = pd.DataFrame({"phash": [*hashes, near, hashes[3]], "group": [*range(40), "x", "x"]})
    kept.loc[[5, 6], "group"] = "same"
    unit = units(kept, 2)
    assert unit[5] == unit[6] and unit[3] == unit[40] == unit[41]
    assert len(set(unit)) == 39 and set(unit) == set(range(39))
    assert len(set(units(kept, 0))) == 39, "image 40 is joined by its group"
    assert len(set(units(kept.iloc[:1], 2))) == 1


def test_all_images_that_look_alike_are_in_one_unit() -> None:
    """Against images one by one: random hashes that differ in few bits, of which many are alike."""
    random = np.random.default_rng(0)
    for _ in range(20):
        values = [int(sum(1 << int(bit) for bit in set(random.integers(0, 24, 4)))) for _ in range(20)]
        kept = pd.DataFrame({"phash": [f"{value:064x}" for value in values], "group": range(20)})
        unit = units(kept, 3)
        alike = [(i, j) for i in range(20) for j in range(i) if (values[i] ^ values[j]).bit_count() <= 3]
        assert alike and all(unit[i] == unit[j] for i, j in alike)
        linked = nx.Graph(alike)
        linked.add_nodes_from(range(20))
        assert len(set(unit)) == nx.number_connected_components(linked)


def test_folds_keep_units_whole_and_deal_each_label_equally() -> None:
    unit = np.repeat(np.arange(50), 3)
    labels = np.repeat(np.arange(50) % 2, 3)
    fold = folds(unit, labels, 5, 0)
    assert (pd.Series(fold).groupby(unit).nunique() == 1).all()
    assert (pd.crosstab(fold, labels) == 15).all(axis=None)
    assert (folds(unit, labels, 5, 0) == fold).all() and (folds(unit, labels, 5, 1) != fold).any()
