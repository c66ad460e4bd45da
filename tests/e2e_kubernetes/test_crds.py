"""The custom resources on a real API server: what it refuses, and with which sentence."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from tests.support.api_server import Namespace

FILM = {"source": "s3://films/a.mov", "output": "s3://films/restored/a.mp4"}
FOLDER = {"folder": {"location": "s3://films/in", "pattern": "*.mov"}}
TEMPLATE = {"output": "s3://films/restored/{name}.mp4"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source": None}, "spec.source: Required value"),
        ({"output": None}, "spec.output: Required value"),
        (
            {"source": "films/a.mov"},
            "source is not the location of a film: write an absolute path, or s3://BUCKET/NAME",
        ),
        ({"source": "https://films/a.mov"}, "source is not the location of a film"),
        ({"source": "s3://films"}, "source is not the location of a film"),
        ({"source": "s3://films/in//a.mov"}, "without empty parts, . or .."),
        ({"source": "/films/../etc/a.mov"}, "without empty parts, . or .."),
        ({"output": "/films/"}, "output is not the location of a film"),
        ({"output": FILM["source"]}, "output is the source itself; the original is never changed"),
        ({"output": f"{FILM['source']}/a.mp4"}, "output lies inside source; give another location"),
        ({"recipe": "My Recipe"}, "recipe is the name of a recipe that ships, such as archive or faithful"),
        ({"recipe": {"scale": 2}}, "spec.recipe in body must be of type string"),
        (
            {"overrides": {"scale": 5}},
            'spec.overrides.scale: Unsupported value: 5: supported values: \\"2\\", \\"3\\", \\"4\\"',
        ),
        ({"overrides": {"grain": {"keep": 2}}}, "spec.overrides.grain.keep in body should be less than or equal to 1"),
        (
            {"overrides": {"model": "/etc/x.safetensors"}},
            "model is the name of a model that ships, or sha256: and the hash of one in the store",
        ),
        ({"class": "urgent"}, 'spec.class: Unsupported value: \\"urgent\\"'),
        ({"deadline": "tomorrow"}, "spec.deadline in body must be of type date-time"),
        ({"suspend": "yes"}, "spec.suspend in body must be of type boolean"),
    ],
)
def test_a_wrong_restoration_is_refused_with_a_sentence(
    namespace: Namespace, changes: dict[str, Any], sentence: str
) -> None:
    """Each mistake in a Restoration is refused by the API server, in words that say what to write."""
    spec = {key: value for key, value in {**FILM, **changes}.items() if value is not None}
    assert sentence in namespace.refusal("Restoration", spec)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"feed": {}}, "give exactly one of folder, jsonLines and mrss"),
        ({"feed": {**FOLDER, "mrss": {"location": "/feed.xml"}}}, "give exactly one of folder, jsonLines and mrss"),
        ({"feed": {"jsonLines": {"location": "feed.jsonl"}}}, "location is not the location of a file"),
        ({"feed": {"folder": {"location": "in"}}}, "location is not the location of a folder"),
        ({"template": {"output": "s3://films/restored/a.mp4"}}, "output must contain {name}"),
        ({"template": {"output": "{name}.mp4"}}, "output is not the location of a film"),
        ({"maxRunning": 0}, "spec.maxRunning in body should be greater than or equal to 1"),
        ({"pollSeconds": 1}, "spec.pollSeconds in body should be greater than or equal to 5"),
        ({"keepFinishedSeconds": -1}, "spec.keepFinishedSeconds in body should be greater than or equal to 0"),
    ],
)
def test_a_wrong_catalog_is_refused_with_a_sentence(
    namespace: Namespace, changes: dict[str, Any], sentence: str
) -> None:
    """Each mistake in a Catalog is refused by the API server, in words that say what to write."""
    assert sentence in namespace.refusal("Catalog", {"feed": FOLDER, "template": TEMPLATE, **changes})


@pytest.mark.parametrize(
    "spec",
    [
        FILM,
        {"source": "/mnt/scans/a.mov", "output": "/mnt/films/a.mp4", "deadline": "2030-05-01T18:00:00Z"},
        {**FILM, "source": "s3://my.bucket-1/Der Film (1927).mov", "overrides": {"grain": {"keep": 0}, "scale": 4}},
    ],
)
def test_a_right_restoration_is_taken_with_its_defaults(namespace: Namespace, spec: dict[str, Any]) -> None:
    """What is left out has its default, and nothing is added to the overrides."""
    held = namespace.create("Restoration", "film", spec)["spec"]
    assert held == {"recipe": "faithful", "class": "standard", "suspend": False, **spec}


def test_what_a_run_depends_on_cannot_change_once_it_has_started(namespace: Namespace) -> None:
    """Before the start everything can be corrected; after it, class, deadline and suspend alone."""
    namespace.create("Restoration", "film", {**FILM, "overrides": {"scale": 3}})
    namespace.patch("restorations", "film", {"spec": {"source": "s3://films/b.mov"}})
    namespace.patch_status("film", {"run": "0123456789abcdef0123", "phase": "Pending"})
    changes = {
        "source": "s3://films/c.mov",
        "output": "s3://films/restored/c.mp4",
        "recipe": "archive",
        "overrides": {"scale": 4},
    }
    for field, value in changes.items():
        with pytest.raises(ApiException) as raised:
            namespace.patch("restorations", "film", {"spec": {field: value}})
        assert f"spec.{field} cannot change once the restoration has started; create another" in raised.value.body
    namespace.patch("restorations", "film", {"spec": {"class": "express", "deadline": "2030-05-01T18:00:00Z"}})
    namespace.patch("restorations", "film", {"spec": {"suspend": True}})
    assert namespace.get("film")["metadata"]["generation"] == 4


def test_the_status_is_written_apart(namespace: Namespace) -> None:
    """A status in a created or changed resource is ignored; the status subresource leaves the spec alone."""
    namespace.create("Restoration", "film", FILM)
    namespace.patch("restorations", "film", {"status": {"phase": "Finished"}})
    assert "status" not in namespace.get("film")
    namespace.patch_status("film", {"phase": "Running"})
    assert namespace.get("film")["metadata"]["generation"] == 1
