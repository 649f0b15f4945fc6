"""Models and the processes that run them (stage batch)."""

from __future__ import annotations

from tagger.errors.base import TaggerError


class ModelError(TaggerError):
    code = "model_failed"
    title = "The model failed on this image"
    stage = "batch"
    retryable = True
    default_remedy = "tagger tries again by itself. If it fails again, search the log for the job's id."


class PoisonImage(ModelError):
    """The model fails on this image alone; bisection of the batch found it. A retry cannot help."""

    code = "image_poisonous"
    title = "The model cannot process this image"
    retryable = False
    default_remedy = "Send another rendition of the image, then replay the dead letter."


class ModelOutOfMemory(ModelError):
    """This image does not fit into the device's memory even alone."""

    code = "model_out_of_memory"
    title = "The model ran out of memory on this image"
    default_remedy = "Send a smaller rendition of the image, or let fewer processes use the device."


class BatchOverdue(ModelError):
    code = "batch_overdue"
    title = "The image waited too long for the model"
    default_remedy = "tagger tries again by itself. If it happens often, start more workers."


class EngineStopped(ModelError):
    """The thread that owns the model is ending. The job is released, and the attempt does not count."""

    code = "engine_stopped"
    title = "The model is shutting down"
    default_remedy = "Another worker claims the job by itself. If no worker runs, start one with `tagger up`."


class DeviceLost(EngineStopped):
    """The device failed while it processed this image. Any image of the batch may be the cause, so each counts a crash."""

    code = "device_lost"
    title = "The device failed while it processed this image"
    default_remedy = "Another worker claims the job by itself. After repeated failures the job runs alone."


class CrashedTooOften(TaggerError):
    code = "crashed_worker"
    title = "The worker process died each time it processed this image alone"
    stage = "batch"
    status = 500
    default_remedy = "Send another rendition of the image, then replay the dead letter."


class DeadlineExceeded(TaggerError):
    code = "deadline_exceeded"
    title = "The job ran past its deadline"
    stage = "batch"
    retryable = True
    status = 504
    default_remedy = "tagger tries again by itself. If it happens often, raise `job_seconds` or start more workers."


class NotChecked(TaggerError):
    """The worker has no model that checks whether a text describes an image."""

    code = "check_unavailable"
    title = "No model is configured that checks texts against images"
    stage = "batch"
    status = 501
    default_remedy = "Run `tagger models pull ofa-entailment`, then start the tag workers with `check = ofa-entailment`."


class ModelDirectoryInvalid(TaggerError):
    code = "model_directory_invalid"
    title = "The model directory cannot be used"
    stage = "batch"
    default_remedy = "Run `tagger models check`, then `tagger models pull`."


class WeightsNotFetched(ModelDirectoryInvalid):
    """The weights of a model could not be downloaded to this machine."""

    code = "weights_not_fetched"
    title = "The weights cannot be downloaded"
    default_remedy = "Connect this machine to the internet, or set `model_mirror` to a folder with a copy of the weights."
