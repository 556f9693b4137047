from strmctl.report.terminal.grid_plan import plan_document, plan_table


def test_a_run_that_cells_share_counts_once():
    first = ("one", [("TRM", "a"), ("TRM", "b"), ("STRM", "c")])
    second = ("two", [("K", "c"), ("K", "c")])  # trials of one run
    work = [("a", False, 100.0), ("a", True, 10.0), ("c", False, 40.0), ("c", True, 2.0), ("c", True, 3.0)]
    document = plan_document([first, second], work, jobs=1)
    assert document["seconds"] == 155
    assert [grid["name"] for grid in document["grids"]] == ["one", "two"]
    assert document["grids"][0]["cells"][1] == {"label": "TRM", "run": "b", "train": None, "test": None}
    assert document["grids"][1]["cells"] == [{"label": "K", "run": "c", "train": 40.0, "test": 5.0}]


def test_processes_share_the_work_but_not_one_run():
    work = [("a", False, 60.0), ("b", False, 60.0), ("c", False, 60.0)]
    assert plan_document([], work, jobs=2)["seconds"] == 90
    assert plan_document([], [("a", False, 60.0), ("a", True, 20.0), ("b", True, 5.0)], jobs=4)["seconds"] == 80
    assert plan_document([("g", [("x", "r")])], [], jobs=2)["seconds"] == 0


def test_what_is_done_says_so():
    (grid,) = plan_document([("g", [("x", "a"), ("y", "b")])], [("b", True, 61.0)], jobs=1)["grids"]
    columns, rows = plan_table(grid, lambda seconds: f"{seconds:.0f} s")
    assert columns == ["cell", "run", "training", "test"]
    assert rows == [["x", "a", "done", "done"], ["y", "b", "done", "61 s"]]
