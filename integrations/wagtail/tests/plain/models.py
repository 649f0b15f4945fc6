"""A plain Django image, without Wagtail and without tags. Its key is a UUID."""

import uuid

from django.db import models


class CMSImage(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    image = models.ImageField(upload_to="plain")
    caption = models.TextField(blank=True, null=True)
    alt_text = models.CharField(max_length=120, blank=True)
