"""Labels for videos of any kind, from examples of the classes that they may belong to."""
