"""One tree of errors. Every leaf knows its stage, its HTTP status, whether a retry can help, and the remedy.

TaggerError
├── BadRequest …            stage accept: the caller can correct it
├── ImageError              the image is the cause; other images of the batch are not affected
│   ├── FetchError          stage fetch
│   └── DecodeError         stage decode
├── ModelError              stage batch
├── DeliveryError           stage deliver
└── Unavailable             a part of tagger is not available: always retryable

The same shape (`ErrorInfo`) is the problem+json body, `job.error` and the cause of a dead letter.
"""

from __future__ import annotations

from tagger.errors.base import TYPE_BASE, ErrorInfo, Pointer, Stage, TaggerError
from tagger.errors.deliver import (
    AnswerIncomplete,
    AnswerInvalid,
    DeliveryError,
    DeliveryExhausted,
    EndpointGone,
    EndpointMisconfigured,
    EndpointUnreachable,
)
from tagger.errors.image import (
    AddressForbidden,
    DecodeError,
    DecodeTimeout,
    EncodingInvalid,
    FetchError,
    FetchFailed,
    FetchRefused,
    ImageError,
    ImageHidden,
    ImageNotThereYet,
    ImageTooLarge,
    ImageTooManyPixels,
    UrlInvalid,
)
from tagger.errors.model import (
    BatchOverdue,
    CrashedTooOften,
    DeadlineExceeded,
    DeviceLost,
    EngineStopped,
    ModelDirectoryInvalid,
    ModelError,
    ModelOutOfMemory,
    NotChecked,
    PoisonImage,
    WeightsNotFetched,
)
from tagger.errors.request import (
    AmbiguousLength,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    Conflict,
    EmbedRefused,
    Forbidden,
    IdempotencyConflict,
    IdempotencyInFlight,
    JobCancelled,
    LabelsInvalid,
    NotFound,
    ProfileInvalid,
    SettingsError,
    SignatureInvalid,
    TooManyBodies,
    Unauthorized,
    UnknownProfile,
    UnsupportedLanguage,
    VocabularyInvalid,
)
from tagger.errors.unavailable import (
    BrokerUnavailable,
    DecoderLost,
    DecoderUnavailable,
    LedgerFull,
    LedgerUnavailable,
    PortTaken,
    StorageUnavailable,
    Unavailable,
)

__all__ = [
    "TYPE_BASE",
    "AddressForbidden",
    "AmbiguousLength",
    "AnswerIncomplete",
    "AnswerInvalid",
    "BadRequest",
    "BatchOverdue",
    "BodyTooLarge",
    "BodyTooSlow",
    "BrokerUnavailable",
    "Conflict",
    "CrashedTooOften",
    "DeadlineExceeded",
    "DecodeError",
    "DecodeTimeout",
    "DecoderLost",
    "DecoderUnavailable",
    "DeliveryError",
    "DeliveryExhausted",
    "DeviceLost",
    "EmbedRefused",
    "EncodingInvalid",
    "EndpointGone",
    "EndpointMisconfigured",
    "EndpointUnreachable",
    "EngineStopped",
    "ErrorInfo",
    "FetchError",
    "FetchFailed",
    "FetchRefused",
    "Forbidden",
    "IdempotencyConflict",
    "IdempotencyInFlight",
    "ImageError",
    "ImageHidden",
    "ImageNotThereYet",
    "ImageTooLarge",
    "ImageTooManyPixels",
    "JobCancelled",
    "LabelsInvalid",
    "LedgerFull",
    "LedgerUnavailable",
    "ModelDirectoryInvalid",
    "ModelError",
    "ModelOutOfMemory",
    "NotChecked",
    "NotFound",
    "Pointer",
    "PoisonImage",
    "PortTaken",
    "ProfileInvalid",
    "SettingsError",
    "SignatureInvalid",
    "Stage",
    "StorageUnavailable",
    "TaggerError",
    "TooManyBodies",
    "Unauthorized",
    "Unavailable",
    "UnknownProfile",
    "UnsupportedLanguage",
    "UrlInvalid",
    "VocabularyInvalid",
    "WeightsNotFetched",
]
