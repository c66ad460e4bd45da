"""Variables of the pods: what the chart sets itself, and what `settings` adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from reelwright.bus.settings import BusSettings
from reelwright.client.forecast import ForecastSettings
from reelwright.controller.settings import ControllerSettings
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.encoder.settings import EncoderSettings
from reelwright.inference.settings import InferenceSettings
from reelwright.settings import InstallationSettings, ServeSettings
from reelwright.store.settings import StoreSettings
from tests.chart.rendering import GIVEN, environment, find, objects, pods, refusal

_SETTINGS: tuple[type[BaseSettings], ...] = (
    BusSettings,
    StoreSettings,
    DispatcherSettings,
    InferenceSettings,
    EncoderSettings,
    ForecastSettings,
    ControllerSettings,
    ServeSettings,
    InstallationSettings,
)
_ALL = (
    "--set=grpc.tls.enabled=true,grpc.tls.certManager.enabled=true,grpc.token.secretName=token",
    "--set=bus.securityProtocol=SASL_SSL,bus.credentials.secretName=kafka,bus.tls.caSecretName=ca",
    "--set=bus.tls.clientSecretName=client,store.endpoint=https://s3:9000,store.region=here,store.tls.caSecretName=ca",
    "--set=contentCredentials.secretName=signer,contentCredentials.timestampServer=http://tsa",
)
_ROLES = ("decoder", "dispatcher", "encoder", "controller", "poolDefaults")
_PLACES = ("settings", *(f"{role}.settings" for role in _ROLES))


def variables(made: tuple[dict[str, Any], ...]) -> set[str]:
    """The names of all variables that the chart sets for our processes."""
    named = set(find(made, "ConfigMap", "settings")["data"]).union(*map(environment, pods(made).values()))
    return {name for name in named if name.startswith(("REELWRIGHT_", "AWS_"))}


def test_every_variable_is_a_setting() -> None:
    """Each variable that the chart sets is one that the services read, so no value is without effect."""
    known = {
        f"{kind.model_config['env_prefix']}{field}".upper() for kind in _SETTINGS for field in kind.model_fields
    } | {"REELWRIGHT_METRICS_PORT"}
    named = variables(objects(*GIVEN, *_ALL))
    assert {name for name in named if not name.startswith(("AWS_", "REELWRIGHT_CREDENTIALS_"))} <= known


@pytest.mark.parametrize("place", _PLACES)
def test_no_variable_is_set_twice(place: str) -> None:
    """Each variable that the chart sets is refused in the settings of all roles, and in those of each."""
    named = variables(objects(*GIVEN, *_ALL))
    said = refusal(*GIVEN, *_ALL, f"--set-json={place}={json.dumps(dict.fromkeys(sorted(named), 'x'))}")
    for name in named:
        assert f"- {place}.{name} is " in said, name


def test_a_variable_that_the_chart_leaves_out_can_be_set() -> None:
    """Without `store.region`, say, the region may be a setting, and one role may have another value than the others."""
    made = objects(*GIVEN, "--set=settings.AWS_DEFAULT_REGION=here,decoder.settings.AWS_DEFAULT_REGION=there")
    assert find(made, "ConfigMap", "settings")["data"]["AWS_DEFAULT_REGION"] == "here"
    assert environment(pods(made)["Deployment film-decoder"])["AWS_DEFAULT_REGION"] == "there"


def test_settings_keep_their_digits(tmp_path: Path) -> None:
    """A whole number of a file of values reaches the pods as one, however large; others are as they were given."""
    given = {"REELWRIGHT_BUS_MAX_BYTES": 1073741824, "OTEL_RATIO": 0.25, "OTEL_ON": True, "OTEL_NAME": "1e9"}
    expected = {"REELWRIGHT_BUS_MAX_BYTES": "1073741824", "OTEL_RATIO": "0.25", "OTEL_ON": "true", "OTEL_NAME": "1e9"}
    file = tmp_path / "values.yaml"
    pools = [{"name": "cpu", "settings": given}]
    file.write_text(json.dumps({"settings": given, "decoder": {"settings": given}, "pools": pools}))
    made = objects(*GIVEN, f"--values={file}")
    assert find(made, "ConfigMap", "settings")["data"].items() >= expected.items()
    for name in ("decoder", "inference-cpu"):
        assert environment(pods(made)[f"Deployment film-{name}"]).items() >= expected.items()
    assert BusSettings(max_bytes=expected["REELWRIGHT_BUS_MAX_BYTES"]).max_bytes == 1 << 30


def test_a_size_may_be_a_number(tmp_path: Path) -> None:
    """The size of the encoders' scratch folder may be a number of bytes, on the node's disk and on a volume."""
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps({"encoder": {"scratch": {"size": 53687091200}}}))
    for storage_class in ("", "fast"):
        made = objects(*GIVEN, f"--values={file}", f"--set=encoder.scratch.storageClassName={storage_class}")
        (volume,) = [each for each in pods(made)["Deployment film-encoder"]["volumes"] if each["name"] == "scratch"]
        assert "53687091200" in json.dumps(volume)
