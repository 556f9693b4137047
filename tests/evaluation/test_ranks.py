import pytest

from strmctl.errors import UsageError
from strmctl.evaluation.joining import in_environment
from strmctl.evaluation.ranks import ALONE, Ranks

SLURM = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "30077"}
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "::1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("environment", "ranks", "address"),
    [
        ({}, ALONE, ""),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, ALONE, ""),
        (TORCHRUN, Ranks(1, 2, 1), "[::1]:29500"),
        (TORCHRUN | {"MASTER_ADDR": "node1"}, Ranks(1, 2, 1), "node1:29500"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "7"}, ALONE, ""),  # a batch script, no step
        (SLURM | {"SLURM_STEP_NODELIST": "node[07-09,12],login1"}, Ranks(3, 4, 1), "node07:20077"),
        (SLURM | {"SLURM_STEP_NODELIST": "gpu-[3,5]-ib"}, Ranks(3, 4, 1), "gpu-3-ib:20077"),
        (SLURM | {"SLURM_STEP_NODELIST": "alpha,beta"}, Ranks(3, 4, 1), "alpha:20077"),
        (SLURM | {"MASTER_ADDR": "here", "MASTER_PORT": "1"}, Ranks(3, 4, 1), "here:1"),
        (SLURM | TORCHRUN, Ranks(1, 2, 1), "[::1]:29500"),  # torchrun in a step
    ],
)
def test_the_environment_says_which_of_several_processes_this_is(environment, ranks, address):
    assert in_environment(environment) == (ranks, address)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (TORCHRUN | {"RANK": "2"}, "RANK=2, WORLD_SIZE=2"),
        (TORCHRUN | {"RANK": "-1"}, "RANK=-1"),
        (TORCHRUN | {"WORLD_SIZE": "two"}, "WORLD_SIZE=two"),
        (TORCHRUN | {"LOCAL_RANK": ""}, "LOCAL_RANK="),
        ({name: TORCHRUN[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}, "not where the first is"),
        (SLURM, "not where the first is"),
        (SLURM | {"SLURM_STEP_NODELIST": "[07-09]", "SLURM_JOB_ID": ""}, "not where the first is"),
    ],
)
def test_ranks_that_make_no_sense_are_named(environment, said):
    with pytest.raises(UsageError) as caught:
        in_environment(environment)
    assert said in caught.value.message and caught.value.hint


def test_a_process_alone_asks_nobody():
    assert ALONE.first
    assert ALONE.from_first(lambda: 5) == ALONE.in_turn(lambda: 5) == 5
    assert ALONE.to_first(lambda: 5) == [5]
    ALONE.wait()
    ALONE.add_up([])
