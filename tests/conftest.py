"""Small models on one thread: the same numbers on any machine, and no threads that wait for each other."""

import torch

torch.set_num_threads(1)
