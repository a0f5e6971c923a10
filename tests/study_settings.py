"""Settings as a study hands them to its jobs: its defaults, but for what a test changes."""

from stethoscope.models.base import ModelSettings
from stethoscope.models.lora import LoraSettings
from stethoscope.models.pretrain import PretrainSettings
from stethoscope.study.model import Architecture
from stethoscope.study.training import Lora, Pretraining


def shape(**changes) -> ModelSettings:
    return ModelSettings(**Architecture(**changes).model_dump())


def pretraining(**changes) -> PretrainSettings:
    return PretrainSettings(**Pretraining(**changes).model_dump())


def lora(**changes) -> LoraSettings:
    settings = Lora(**changes).model_dump()
    del settings["processes"]  # of the job
    return LoraSettings(**settings)
