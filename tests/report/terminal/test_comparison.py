"""The table of a group of training seeds; those of comparisons are held against their documents in tests/cli."""

from strmctl.report.terminal.comparison import seeds


def test_seeds_of_one_recipe():
    results = [
        {"shot": 1, "n": 2, "each": [0.5, 0.61234], "mean": 0.55617, "sd": 0.07944},
        {"shot": 5, "n": 2, "each": [0.7, 0.8], "mean": 0.75, "sd": None},
    ]
    columns, rows = seeds({"runs": ["a", "b"], "seeds": [0, 3], "results": results})
    assert columns == ["run", "training seed", "1-shot, %", "5-shot, %"]
    assert rows == [
        ["a", "0", "50.00", "70.00"],
        ["b", "3", "61.23", "80.00"],
        ["mean, n = 2", "", "55.62", "75.00"],
        ["standard deviation over seeds, n = 2", "", "7.94", "–"],
    ]
