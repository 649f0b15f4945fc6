"""Models and the processes that run them (stage batch)."""

from __future__ import annotations

from tagger.errors.base import TaggerError


class ModelError(TaggerError):
    code = "model_failed"
    title = "The model failed on this image"
    stage = "batch"
    retryable = True


class PoisonImage(ModelError):
    """The model raises on this image alone; found by bisection. Retrying cannot help."""

    code = "image_poisonous"
    title = "The model cannot process this image"
    retryable = False
    default_remedy = "Look at the image; send another rendition of it, then replay the dead letter."


class ModelOutOfMemory(ModelError):
    """This image does not fit into the device's memory even alone."""

    code = "model_out_of_memory"
    title = "The model ran out of memory on this image"
    default_remedy = "Send a smaller rendition of it, or give the device to fewer processes."


class BatchOverdue(ModelError):
    code = "batch_overdue"
    title = "The image waited too long for the model"
    default_remedy = "It is tried again by itself; start more workers if it happens often."


class EngineStopped(ModelError):
    """The owner thread is ending; the job goes back without being charged."""

    code = "engine_stopped"
    title = "The model is shutting down"
    default_remedy = "Another worker takes the job by itself; if none is left, start one with `tagger up`."


class DeviceLost(EngineStopped):
    """The device failed while it held this image: one of its batch may be the cause, so all are charged a crash."""

    code = "device_lost"
    title = "The device failed while it held this image"
    default_remedy = "Another worker takes the job by itself; after repeated failures it is tried alone."


class CrashedTooOften(TaggerError):
    code = "crashed_worker"
    title = "The worker process died each time it had this image alone"
    stage = "batch"
    status = 500
    default_remedy = "Look at the image; send another rendition of it, then replay the dead letter."


class DeadlineExceeded(TaggerError):
    code = "deadline_exceeded"
    title = "The job ran past its deadline"
    stage = "batch"
    retryable = True
    status = 504
    default_remedy = "It is tried again by itself; raise `job_seconds` or start more workers if it happens often."


class NotChecked(TaggerError):
    """No model of the worker can tell whether a text describes an image."""

    code = "check_unavailable"
    title = "No model here checks texts against images"
    stage = "batch"
    status = 501
    default_remedy = "Run `tagger models pull ofa-entailment`, then start the tag workers with `check = ofa-entailment`."


class ModelDirectoryInvalid(TaggerError):
    code = "model_directory_invalid"
    title = "The model directory cannot be used"
    stage = "batch"
    default_remedy = "Run `tagger models check`, then `tagger models pull`."


class WeightsNotFetched(ModelDirectoryInvalid):
    """The weights of a model could not be brought to this machine."""

    code = "weights_not_fetched"
    title = "The weights cannot be fetched"
    default_remedy = "Connect this machine, or name a folder with a copy of the weights as `model_mirror`."
