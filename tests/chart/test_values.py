"""Mistakes in values: helm names the value, says what is wrong, and what to do."""

from __future__ import annotations

import pytest

from tests.chart.rendering import CHART, GIVEN, refusal, run_helm

_MISTAKES = {
    "--set=replicas=3": "additional properties 'replicas' not allowed",
    "--set=pools[0].name=gpu,pools[0].image=gpu": "at '/pools/0/image': value must be one of 'cpu', 'cuda'",
    "--set=pools[0].image=cpu": "at '/pools/0': missing property 'name'",
    "--set=pools[0].name=A_100": "at '/pools/0/name'",
    "--set=decoder.replicas=-1": "at '/decoder/replicas': minimum",
    "--set=decoder.replicas=two": "at '/decoder/replicas': got string, want integer",
    "--set=image.tag=1": "at '/image/tag': got number, want string",
    "--set=bus.bootstrapServers=http://kafka": "at '/bus/bootstrapServers'",
    "--set=store.ledger=films": "at '/store/ledger'",
    "--set=store.ledger=s3://films": "at '/store/ledger'",
    "--set=settings.TITLES=3": "at '/settings'",
    "--set=bus.securityProtocol=SASL_SSL": "bus.credentials.secretName is empty: name the Secret",
    "--set=bus.credentials.secretName=kafka": "bus.securityProtocol PLAINTEXT does not log in",
    "--set=store.ledger=/films/ledger": "store.volume.existingClaim is empty: name the claim",
    "--set=store.tls.caSecretName=ca,store.endpoint=http://s3:9000": "store.endpoint is no address that begins with",
    "--set=development.enabled=true": "leave out one of the two",
    "--set=contentCredentials.timestampServer=http://tsa": "contentCredentials.secretName is empty: name the Secret",
    "--set=contentCredentials.timestampServer=tsa": "at '/contentCredentials/timestampServer'",
    "--set=grpc.tls.enabled=true": "grpc.tls.enabled needs certificates: name both Secrets",
    "--set=pools[0].name=a,pools[1].name=a": "two pools have the name a",
    "--set=pools[0].name=a,pools[0].minReplicas=5": "pool a: minReplicas 5 is more than maxReplicas 1",
    "--set=pools[0].name=a,pools[0].minReplicas=0": "no pool would ever have a pod",
    "--set=encoder.replicas=3,encoder.maxReplicas=2": "encoder.replicas 3 is more than encoder.maxReplicas 2",
    "--set=pools[0].name=a,pools[0].image=cuda": "pool a: the image cuda needs a GPU",
    "--set=pools[0].name=a,pools[0].engine=torch": "pool a: the image cpu has no engine torch",
    "--set=pools[0].name=a,pools[0].model=s3://films/mine.safetensors": "or the name that `reelwright models add FILE`",
    "--set=pools[0].name=a,pools[0].model=sha256:12": "pool a: model sha256:12 is no network",
    "--set=pools[0].name=a,pools[0].spot=true,pools[0].batchSeconds=60": "batchSeconds 60 needs 140 seconds to stop",
    "--set=settings.REELWRIGHT_BUS_PASSWORD=x": "settings.REELWRIGHT_BUS_PASSWORD is a secret",
    "--set=pools[0].name=a,pools[0].settings.AWS_SECRET_ACCESS_KEY=x": "AWS_SECRET_ACCESS_KEY is a secret",
    "--set=settings.REELWRIGHT_STORE_KEEP_DAYS=7": "settings.REELWRIGHT_STORE_KEEP_DAYS is made by the chart",
    "--set=decoder.settings.REELWRIGHT_GRACE_SECONDS=7": "decoder.settings.REELWRIGHT_GRACE_SECONDS is made by",
    "--set=autoscaling.type=keda": "the cluster has no KEDA: install it",
    "--set=autoscaling.type=hpa,pools[0].name=a,pools[0].minReplicas=0": "cannot scale to 0 pods",
    "--set-json=networkPolicy.apiServerPorts=[]": "at '/networkPolicy/apiServerPorts': minItems: got 0, want 1",
    "--set=autoscaling.type=hpa,encoder.replicas=0,encoder.maxReplicas=4": "encoder: a HorizontalPodAutoscaler cannot",
    "--set=dispatcher.replicas=0": "at '/dispatcher/replicas': minimum: got 0, want 1",
    "--set=monitoring.rules.enabled=true": "the cluster does not have it: install it",
}


@pytest.mark.parametrize("value", _MISTAKES)
def test_a_mistake_is_named(value: str) -> None:
    """Helm refuses the value with a sentence that names it."""
    assert _MISTAKES[value] in refusal(*GIVEN, value)


def test_all_mistakes_are_said_at_once() -> None:
    """Without broker and ledger, both are asked for in one answer."""
    said = refusal()
    assert "bus.bootstrapServers is empty: give the addresses of your Kafka brokers" in said
    assert "store.ledger is empty: give a folder in your store" in said


def test_the_chart_passes_lint() -> None:
    """`helm lint --strict` finds nothing."""
    done = run_helm("lint", "--strict", str(CHART), *GIVEN)
    assert done.returncode == 0, done.stdout
