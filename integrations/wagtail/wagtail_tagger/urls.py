from django.urls import path

from wagtail_tagger.views import messages

urlpatterns = [path("tagger/messages", messages, name="tagger_messages")]
