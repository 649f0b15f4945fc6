"""Which processes of `tagger up` get which secret."""

from __future__ import annotations

SECRETS_OF = {  # variable → roles of processes that need it; `tag-upload-1` has the role tag
    "TAGGER_ADMIN_KEY": ("api",),
    "TAGGER_EVENTS_SECRET": ("deliver",),
    "TAGGER_FLOWER_PASSWORD": ("flower",),
    "TAGGER_OPENAI_KEY": ("tag",),
    "TAGGER_S3_ACCESS_KEY": ("api", "tag", "reconcile"),
    "TAGGER_S3_SECRET_KEY": ("api", "tag", "reconcile"),
}


def is_needed(role: str, variable: str) -> bool:
    """Whether a process of this role gets this variable of the environment."""
    return variable not in SECRETS_OF or role.partition("-")[0] in SECRETS_OF[variable]
