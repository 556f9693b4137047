from strmctl.frames.in_place.image_names import natural_order


def test_natural_order():
    ordered = ["1.jpg", "02.jpg", "2.jpg", "9.jpg", "10.jpg", "frame_9_b2.png", "frame_9_b10.png", "frame_10.png"]
    backwards = ordered[::-1]
    assert sorted(backwards, key=natural_order) == ordered
    long, longer = "9" * 5000 + ".jpg", "1" + "0" * 5000 + ".jpg"  # more digits than Python turns into a number
    assert sorted([longer, long], key=natural_order) == [long, longer]
