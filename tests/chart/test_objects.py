"""The objects of the chart: valid in each version of Kubernetes, restricted, and with settings that the roles read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.chart.rendering import CHART, GIVEN, environment, find, objects, pods

_PROFILES = {path.stem: path for path in sorted((CHART / "profiles").glob("*.yaml"))}
_VERSIONS = ("1.27", "1.30", "1.33", "1.35", "1.37")
_OWN_API = ("keda.sh/", "cert-manager.io/", "monitoring.coreos.com/", "apiextensions.k8s.io/")
_GPU = (
    "--set=pools[0].name=h100,pools[0].image=cuda,pools[0].gpu.resourceName=nvidia.com/gpu,pools[0].batchSeconds=5",
    "--set=pools[1].name=dra,pools[1].image=cuda,pools[1].gpu.resourceClaimTemplateName=gpu",
)


def of_profile(name: str) -> tuple[dict[str, Any], ...]:
    """The objects of a profile."""
    return objects(*(() if name == "kind" else GIVEN), f"--values={_PROFILES[name]}")


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.parametrize("profile", _PROFILES)
def test_every_object_is_valid(profile: str, version: str) -> None:
    """Each object of each profile has only fields that this version of Kubernetes knows, with values of their types."""
    known = [each for each in of_profile(profile) if not each["apiVersion"].startswith(_OWN_API)]
    assert known
    for document in known:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("profile", _PROFILES)
def test_every_pod_is_restricted(profile: str) -> None:
    """Each pod satisfies the restricted Pod Security Standard, and ours write to no root file system."""
    for name, pod in pods(of_profile(profile)).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        (container,) = pod["containers"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        if "reelwright/" in container["image"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"} if "volumes" in pod else set()
        assert kinds <= {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "ephemeral"}, name


def test_only_the_controller_can_call_kubernetes() -> None:
    """No other pod gets a token of its ServiceAccount, and the controller's rules are for its own namespace."""
    made = objects(*GIVEN)
    tokens = {name for name, pod in pods(made).items() if pod["automountServiceAccountToken"]}
    assert tokens == {"Deployment film-controller"}
    assert not {document["kind"] for document in made} & {"ClusterRole", "ClusterRoleBinding"}
    allowed = {resource for rule in find(made, "Role", "controller")["rules"] for resource in rule["resources"]}
    assert "secrets" not in allowed
    assert "*" not in allowed


def test_secrets_are_only_referred_to() -> None:
    """Passwords, keys and tokens reach the pods from the Secrets that the values name."""
    values = "--set=bus.securityProtocol=SASL_SSL,bus.credentials.secretName=kafka,grpc.token.secretName=token"
    made = objects(*GIVEN, values, "--set=store.credentialsSecretName=s3")
    assert not [document for document in made if document["kind"] == "Secret"]
    decoder = pods(made)["Deployment film-decoder"]
    password = {"secretKeyRef": {"name": "kafka", "key": "password"}}
    assert environment(decoder)["REELWRIGHT_BUS_PASSWORD"] == password
    assert {"secretRef": {"name": "s3"}} in decoder["containers"][0]["envFrom"]
    dispatcher = pods(made)["StatefulSet film-dispatcher"]
    assert {"secretRef": {"name": "s3"}} not in dispatcher["containers"][0]["envFrom"]
    assert environment(dispatcher)["REELWRIGHT_DISPATCHER_TOKEN"] == {"secretKeyRef": {"name": "token", "key": "token"}}


def test_the_stores_authority_is_mounted() -> None:
    """Every pod that uses the store reads the authority of its certificate from the Secret."""
    made = pods(objects(*GIVEN, "--set=store.endpoint=https://s3:9000,store.tls.caSecretName=s3-ca"))
    with_it = {name for name, pod in made.items() if "AWS_CA_BUNDLE" in environment(pod)}
    assert {name for name in made if not name.startswith(("StatefulSet", "Job"))} == with_it
    for pod in (made[name] for name in with_it):
        path = Path(environment(pod)["AWS_CA_BUNDLE"])
        (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == str(path.parent)]
        assert {"name": mount["name"], "secret": {"secretName": "s3-ca"}} in pod["volumes"]


def test_films_are_signed_with_the_key_of_a_secret() -> None:
    """Only encoders have the key, and reach the timestamp server; without the Secret nobody signs."""
    values = "contentCredentials.secretName=signer,contentCredentials.timestampServer=http://tsa.example:318/x"
    made = objects(*GIVEN, f"--set={values},networkPolicy.enabled=true")
    found = {name: environment(pod) for name, pod in pods(made).items()}
    assert [name for name in found if "REELWRIGHT_CREDENTIALS_KEY" in found[name]] == ["Deployment film-encoder"]
    variables, encoder = found["Deployment film-encoder"], pods(made)["Deployment film-encoder"]
    folder = Path(variables["REELWRIGHT_CREDENTIALS_KEY"]).parent
    assert variables["REELWRIGHT_CREDENTIALS_CERTIFICATES"] == str(folder / "tls.crt")
    assert variables["REELWRIGHT_CREDENTIALS_TIMESTAMP_SERVER"] == "http://tsa.example:318/x"
    (mount,) = [each for each in encoder["containers"][0]["volumeMounts"] if each["mountPath"] == str(folder)]
    assert {"name": mount["name"], "secret": {"secretName": "signer"}} in encoder["volumes"]
    (rule,) = find(made, "NetworkPolicy", "timestamps")["spec"]["egress"]
    assert rule["ports"] == [{"port": 318, "protocol": "TCP"}]
    assert "REELWRIGHT_CREDENTIALS_KEY" not in environment(pods(objects(*GIVEN))["Deployment film-encoder"])


def test_a_worker_knows_every_dispatcher() -> None:
    """With two dispatchers, a worker has the addresses of both pods."""
    made = objects(*GIVEN, "--set=dispatcher.replicas=2")
    addresses = environment(pods(made)["Deployment film-inference-cpu"])["REELWRIGHT_INFERENCE_DISPATCHER"].split(",")
    service = find(made, "Service", "dispatcher-pods")["metadata"]["name"]
    assert addresses == [f"film-dispatcher-{number}.{service}.films.svc:50051" for number in range(2)]


def test_a_pool_has_its_gpu() -> None:
    """A pool gets its GPU from a device plugin or from a ResourceClaimTemplate, and its image has the CUDA engine."""
    made = pods(objects(*GIVEN, *_GPU))
    plugin, claim = made["Deployment film-inference-h100"], made["Deployment film-inference-dra"]
    assert plugin["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert plugin["containers"][0]["image"].startswith("reelwright/inference-cuda:")
    assert claim["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]
    assert claim["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]


def test_a_pool_may_have_a_number_as_its_name() -> None:
    """Labels, variables and the trigger of a pool `1` have texts, which Kubernetes asks for."""
    made = objects(*GIVEN, "--set=autoscaling.type=keda", '--set-json=pools=[{"name":"1"}]')
    for document in made:
        if not document["apiVersion"].startswith(_OWN_API):
            kubernetes_validate.validate(document, _VERSIONS[-1], strict=True)
    (trigger,) = find(made, "ScaledObject", "inference-1")["spec"]["triggers"]
    assert trigger["metadata"]["pool"] == "1"
    assert environment(pods(made)["Deployment film-inference-1"])["REELWRIGHT_INFERENCE_POOL"] == "1"


def test_a_pool_has_time_for_its_batches() -> None:
    """The time to stop follows from the time of a batch, and is longer than what the worker takes for itself."""
    made = pods(objects(*GIVEN, *_GPU))["Deployment film-inference-h100"]
    variables = environment(made)
    assert float(variables["REELWRIGHT_INFERENCE_DRAIN_SECONDS"]) == 10
    assert float(variables["REELWRIGHT_GRACE_SECONDS"]) == 20
    assert made["terminationGracePeriodSeconds"] == 30


def test_keda_asks_the_dispatcher() -> None:
    """With KEDA, each pool is scaled by the dispatcher's answer between its least and its most pods."""
    made = objects(*GIVEN, "--set=autoscaling.type=keda,pools[0].name=a,pools[0].minReplicas=0,pools[0].maxReplicas=9")
    scaled = find(made, "ScaledObject", "inference-a")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 9)
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "external"
    assert trigger["metadata"]["scalerAddress"] == "film-dispatcher.films.svc:50052"
    assert trigger["metadata"]["pool"] == "a"
    # Before its first pod, too, the dispatcher knows which titles a pool may restore.
    assert trigger["metadata"]["engine"] == "openvino"
    assert trigger["metadata"]["revision"] == "reelwright/inference-cpu:0.1.0 reel-s"
    # A number here would be put back at each upgrade, against what KEDA has chosen.
    assert "replicas" not in find(made, "Deployment", "inference-a")["spec"]


def test_a_pool_serves_a_network_of_the_store() -> None:
    """Workers get the name of the network, and KEDA tells the dispatcher its hash, before a pod is there."""
    name = f"sha256:{'0' * 64}"
    made = objects(*GIVEN, f"--set=autoscaling.type=keda,pools[0].name=own,pools[0].model={name}")
    (container,) = find(made, "Deployment", "inference-own")["spec"]["template"]["spec"]["containers"]
    assert {"name": "REELWRIGHT_INFERENCE_MODEL", "value": name} in container["env"]
    (trigger,) = find(made, "ScaledObject", "inference-own")["spec"]["triggers"]
    assert trigger["metadata"]["modelSha256"] == "0" * 64


def test_keda_asks_for_encoders() -> None:
    """Encoders are scaled by the segments that wait at the dispatcher that is asked, a part of all."""
    made = objects(*GIVEN, "--set=autoscaling.type=keda,encoder.maxReplicas=8,dispatcher.replicas=2")
    (trigger,) = find(made, "ScaledObject", "encoder")["spec"]["triggers"]
    wanted = {"role": "encoder", "minPods": "1", "maxPods": "8", "segmentsPerPod": "2"}
    assert trigger["metadata"] == {"scalerAddress": "film-dispatcher.films.svc:50052", **wanted}
    assert not [document for document in made if document["kind"] == "TriggerAuthentication"]


def test_keda_has_a_certificate_for_mutual_tls() -> None:
    """With mutual TLS, KEDA trusts the same authority as the workers and shows their certificate."""
    made = objects(
        *GIVEN,
        "--set=autoscaling.type=keda,encoder.maxReplicas=8,grpc.tls.enabled=true,grpc.tls.certManager.enabled=true",
    )
    for name in ("inference-cpu", "encoder"):
        (trigger,) = find(made, "ScaledObject", name)["spec"]["triggers"]
        assert trigger["metadata"]["enableTLS"] == "true"
        assert trigger["authenticationRef"] == {"name": "film-scaler"}
    shown = find(made, "TriggerAuthentication", "scaler")["spec"]["secretTargetRef"]
    assert {each["parameter"]: (each["name"], each["key"]) for each in shown} == {
        "caCert": ("film-worker-tls", "ca.crt"),
        "tlsClientCert": ("film-worker-tls", "tls.crt"),
        "tlsClientKey": ("film-worker-tls", "tls.key"),
    }


def test_without_keda_a_pool_has_a_fixed_number_or_an_autoscaler() -> None:
    """`none` keeps the least number of pods, `hpa` scales by processor load."""
    fixed = objects(*GIVEN, "--set=pools[0].name=a,pools[0].minReplicas=2,pools[0].maxReplicas=3")
    assert find(fixed, "Deployment", "inference-a")["spec"]["replicas"] == 2
    scaled = objects(*GIVEN, "--set=autoscaling.type=hpa,pools[0].name=a,pools[0].maxReplicas=3")
    assert find(scaled, "HorizontalPodAutoscaler", "inference-a")["spec"]["maxReplicas"] == 3
    assert "replicas" not in find(scaled, "Deployment", "inference-a")["spec"]


def test_the_chart_has_a_test() -> None:
    """`helm test` finds a pod; a file of .helmignore must not hide it."""
    pod = pods(objects(*GIVEN))["Pod film-test"]
    assert pod["containers"][0]["args"] == ["/etc/reelwright/test/restore_clip.py"]


def test_a_change_of_settings_replaces_the_pods() -> None:
    """A changed setting changes the pods' template, and with it the Job of the topics gets another name."""
    before, after = objects(*GIVEN), objects(*GIVEN, "--set=bus.partitions=24")

    def sum_of(made: tuple[dict[str, Any], ...]) -> str:
        annotations: dict[str, str] = find(made, "Deployment", "decoder")["spec"]["template"]["metadata"]["annotations"]
        return annotations["checksum/settings"]

    def job_of(made: tuple[dict[str, Any], ...]) -> str:
        (name,) = [document["metadata"]["name"] for document in made if document["kind"] == "Job"]
        return str(name)

    assert sum_of(before) != sum_of(after)
    assert job_of(before) != job_of(after)


def test_films_stay_when_a_release_is_removed() -> None:
    """The claim of the development store has helm's annotation that keeps it."""
    claim = find(objects("--set=development.enabled=true"), "PersistentVolumeClaim", "films")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
