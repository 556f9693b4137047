import pytest

from strmctl import yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e-4", 1e-4), ("1.0e-4", 1e-4), ("-2.5", -2.5), (".5", 0.5), ("3.", 3.0), ("1E6", 1e6)),
        *(("12", 12), ("-3", -3), ("010", 10), ("true", True), ("null", None), ("", None), ("[2, 3]", [2, 3])),
        *((word, word) for word in ("no", "off", "Yes", "2026-11-22", "1_000", "12:30", "0x10", "1e")),
    ],
)
def test_scalars_mean_what_they_look_like(text, value):
    parsed = yaml.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_repeated_key_is_an_error():
    with pytest.raises(yaml.YamlError, match="line 3: the key 'a' stands twice"):
        yaml.parse("a: 1\nb: 2\na: 3\n")


@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "\tx: 1", "!!python/object:os.system {}"])
def test_what_is_not_yaml_is_an_error(text):
    with pytest.raises(yaml.YamlError):
        yaml.parse(text)


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(yaml.YamlError, match="not a text file"):
        yaml.load(path)


def test_what_is_dumped_reads_back():
    value = {"rate": 1e-5, "one": 1.0, "word": "no", "number": "12", "list": [2, 3], "none": None, "yes": True}
    assert yaml.parse(yaml.dump(value)) == value
