from django.conf import settings
from django.urls import include, path, re_path
from django.views.static import serve
from wagtail.admin import urls as admin_urls

urlpatterns = [
    path("", include("wagtail_tagger.urls")),
    path("admin/", include(admin_urls)),
    re_path("^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
]
