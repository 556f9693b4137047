"""The house: no folder of the package holds more files than a reader takes in at a glance."""

from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "strmctl"
MOST = 16  # Python files in a folder; the subcommands lie in a folder of their own


def test_no_folder_holds_more_than_16_python_files():
    counts = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    crowded = {str(folder.relative_to(PACKAGE)): count for folder, count in counts.items() if count > MOST}
    assert not crowded
    assert len(counts) > 20  # the walk found the package
