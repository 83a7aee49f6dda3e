"""The catalogue: every change that the parity proof is tried on."""

from bench.mutation.edit import Mutation
from bench.mutation.harmless import HARMLESS, UNSEEN
from bench.mutation.mistakes_in_gradients import MISTAKES_IN_GRADIENTS
from bench.mutation.mistakes_in_training import MISTAKES_IN_TRAINING

MISTAKES: tuple[Mutation, ...] = MISTAKES_IN_GRADIENTS + MISTAKES_IN_TRAINING
CATALOGUE: tuple[Mutation, ...] = MISTAKES + HARMLESS + UNSEEN
