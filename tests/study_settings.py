"""Settings as a study hands them to its jobs: its defaults, but for what a test changes."""

from stethoscope.models.base import ModelSettings
from stethoscope.models.training import GrowSettings, LoraSettings
from stethoscope.study.model import Architecture
from stethoscope.study.training import Lora, Pretraining


def shape(**changes) -> ModelSettings:
    return ModelSettings(**Architecture(**changes).model_dump())


def pretraining(**changes) -> GrowSettings:
    return GrowSettings(**Pretraining(**changes).model_dump())


def lora(**changes) -> LoraSettings:
    settings = Lora(**changes).model_dump()
    del settings["processes"]  # of the job
    return LoraSettings(**settings)
