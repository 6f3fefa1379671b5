"""Traces are exported where a collector is named, and never by halves."""

from __future__ import annotations

import sys

import pytest
from opentelemetry import trace

from entrypoints.settings import SettingsError, load_settings
from entrypoints.telemetry import configure_telemetry

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


NOT_WEB_ADDRESSES = ["collector:4318", "grpc://collector:4317", "http://", "http://host/?a=b"]


@pytest.mark.parametrize("url", NOT_WEB_ADDRESSES)
def test_a_collector_has_a_web_address(url: str) -> None:
    with pytest.raises(SettingsError, match="otlp_url: its value, from the environment"):
        load_settings({"STRONGROOM_OTLP_URL": url})


def test_the_password_of_a_collector_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({"STRONGROOM_OTLP_URL": "http://user:very-secret@collector/?"})
    assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://localhost:4318", "https://user:word@collector/path/"])
def test_a_collector_may_have_a_port_a_password_and_a_path(url: str) -> None:
    assert load_settings({"STRONGROOM_OTLP_URL": url}).otlp_url == url


def test_what_is_missing_for_an_export_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    settings = load_settings({"STRONGROOM_OTLP_URL": "http://localhost:4318"})
    with pytest.raises(SettingsError, match=r"install strongroom\[otel\]"):
        configure_telemetry(settings)


def test_without_a_collector_nothing_is_set_up() -> None:
    before = trace.get_tracer_provider()
    configure_telemetry(load_settings({}))
    assert trace.get_tracer_provider() is before
