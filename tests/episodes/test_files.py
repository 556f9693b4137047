import pytest

from strmctl.episodes.files import read_episodes, write_episodes
from strmctl.errors import DataError

CLIPS = {name: [f"{name}/{i}" for i in range(5)] for name in ("a", "b", 'odd, "c"')}

TWO = """episode,role,class,clip
0,support,a,a/3
0,support,a,a/1
0,support,b,b/0
0,support,b,b/4
0,query,a,a/0
0,query,b,b/2
1,support,a,a/2
1,support,a,a/4
1,support,b,b/1
1,support,b,b/3
1,query,a,a/1
1,query,b,b/0
"""


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "episodes.csv"
    path.write_bytes(text.encode(encoding))
    return read_episodes(path, CLIPS)


def test_the_file_is_as_documented(tmp_path):
    saved = read(tmp_path, TWO)
    assert saved.episode(0).classes == ("a", "b")
    assert saved.episode(0).support == (("a/3", "a/1"), ("b/0", "b/4"))
    assert saved.episode(1).query == (("a/1",), ("b/0",))
    write_episodes(tmp_path / "e.csv", map(saved.episode, range(2)))
    assert (tmp_path / "e.csv").read_text(encoding="utf-8") == TWO


def test_other_programs_may_order_rows_and_end_lines_their_way(tmp_path):
    header, *rows = TWO.splitlines()
    other = "\r\n".join([header, *reversed(rows[:6]), "", *rows[6:]])
    saved = read(tmp_path, other, "utf-8-sig")
    assert saved.episode(0).support == (("a/1", "a/3"), ("b/4", "b/0"))
    assert saved.episode(1) == read(tmp_path, TWO).episode(1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("role,class", "class,role", "line 1 .*columns are not episode,role,class,clip"),
        ("0,query,a,a/0", "0,query,a,a/9", "line 6 .*unknown clip 'a/9'"),
        ("0,query,a,a/0", "0,query,z,a/0", "line 6 .*unknown class 'z'"),
        ("0,query,a,a/0", "0,query,b,a/0", "line 6 .*clip a/0 is of class a, not b"),
        ("0,query,a,a/0", "0,query,a,a/1", "line 6 .*clip a/1 is already in episode 0: support and again query"),
        ("0,support,a,a/1", "0,support,a,a/3", "line 3 .*a/3 is already in episode 0: support and again support"),
        ("0,query,a,a/0", "0,test,a,a/0", "line 6 .*role 'test' is neither"),
        ("0,query,a,a/0", "0,query,a", "line 6 .*3 values instead of 4"),
        ("0,query,a,a/0\n", "", "line 2 .*episode 0: class a has no query clip"),
        ("1,query,b,b/0\n", '1,query,"odd, ""c""","odd, ""c""/0"\n', "line 8 .*episode 1: class b has no query clip"),
        ("0,support,b,b/0\n0,support,b,b/4\n", "", "line 2 .*episode 0: class b has no support clip"),
        ("1,support,b,b/1\n", "", "line 8 .*class b has 1 support and 1 query clips, those before it 2 and 1"),
        ("1,query,a,a/1\n", "1,query,a,a/1\n1,query,a,a/0\n", "line 8 .*class a has 2 support and 2 query"),
        ("0,support,b,b/0\n", "", "line 2 .*class b has 1 support and 1 query clips, those before it 2 and 1"),
        (TWO[TWO.index("1,s") :], "1,support,a,a/2\n1,query,a,a/1\n", "line 8 .*episode 1 has a single class: a"),
        (
            "1,query,b,b/0\n",
            '1,query,b,b/0\n1,support,"odd, ""c""","odd, ""c""/0"\n1,query,"odd, ""c""","odd, ""c""/1"\n',
            "line 8 .*episode 1 has 3 classes, those before it 2",
        ),
        ("0,support,a,a/3", "1,support,a,a/3", "line 2 .*episode '1' where 0 is expected"),
        ("1,support,a,a/2", "2,support,a,a/2", "line 8 .*episode '2' where 0 or 1 is expected"),
        ("1,query,a,a/1", "0,query,a,a/1", "line 12 .*episode '0' where"),
        ("1,query,a,a/1", "x,query,a,a/1", "line 12 .*episode 'x' where 1 or 2 is expected"),
        (TWO[24:], "", "line 1 .*no episode follows"),
        (TWO, "", "line 1 .*columns are not"),
        ("0,query,a,a/0", '0,query,a,"a/0" x', "not a CSV of episodes"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, old, new, message):
    assert TWO.count(old) == 1
    with pytest.raises(DataError, match=message):
        read(tmp_path, TWO.replace(old, new))


def test_a_file_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(DataError, match=r"no file of episodes at .*none\.csv") as caught:
        read_episodes(tmp_path / "none.csv", CLIPS)
    assert "--save-episodes" in caught.value.hint
    with pytest.raises(DataError, match="not a CSV of episodes"):
        read(tmp_path, TWO, "utf-16")
