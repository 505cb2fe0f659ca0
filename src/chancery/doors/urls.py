"""Where each door is."""

from django.urls import include, path

from chancery.doors.api.api import api

urlpatterns = [
    path("api/v1/", api.urls),
    path("", include("chancery.doors.console.urls")),
]
