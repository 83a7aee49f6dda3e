"""The catalogue: every change that verification is tried on."""

from backprop_bench.bench.mutation.edit import Mutation
from backprop_bench.bench.mutation.harmless import HARMLESS, UNSEEN
from backprop_bench.bench.mutation.mistakes_in_gradients import MISTAKES_IN_GRADIENTS
from backprop_bench.bench.mutation.mistakes_in_training import MISTAKES_IN_TRAINING
from backprop_bench.bench.mutation.mistakes_of_1986 import MISTAKES_OF_1986

MISTAKES: tuple[Mutation, ...] = MISTAKES_IN_GRADIENTS + MISTAKES_IN_TRAINING + MISTAKES_OF_1986
CATALOGUE: tuple[Mutation, ...] = MISTAKES + HARMLESS + UNSEEN
