"""Labels for videos of any kind, from examples of the classes that they may belong to."""

RECIPE = "classify"  # the shipped one, which needs no training
REJECT = 0.05  # share of true examples that may be refused
WINDOW = 2.0  # seconds of a window of a long video
