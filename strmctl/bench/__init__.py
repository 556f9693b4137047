"""How fast things are on this machine, as ratios within one run."""
