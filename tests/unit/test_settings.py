"""Settings: where a value comes from, what an error names, and the way to a child process and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher import settings
from publisher.errors import SettingsError
from publisher.sections import Build

WriteToml = Callable[[str], Path]


@pytest.fixture
def settings_file(tmp_path: Path) -> WriteToml:
    """A function that writes a settings file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "publisher.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_defaults_need_no_environment_and_no_file() -> None:
    loaded = settings.load({})
    assert loaded == settings.Settings()
    assert loaded.site.language == "es"
    assert loaded.api.token_minutes == 15


def test_environment_goes_over_file_over_default(settings_file: WriteToml) -> None:
    path = settings_file('[site]\ntitle = "File"\nlanguage = "pt"\n')
    assert settings.load({}, path).site == settings.Site(title="File", language="pt")
    loaded = settings.load({"SITE_TITLE": "Environment", "API_PORT": "9000"}, path)
    assert loaded.site == settings.Site(title="Environment", language="pt")
    assert loaded.api.port == 9000
    assert loaded.stack == settings.Stack()


def test_an_empty_variable_is_a_value(settings_file: WriteToml) -> None:
    path = settings_file('[s3]\nendpoint = "http://127.0.0.1:1"\n')
    assert settings.load({"S3_ENDPOINT": ""}, path).s3.endpoint == ""


def test_the_caller_s_environment_is_left_alone(settings_file: WriteToml) -> None:
    environ = {"SITE_TITLE": "Mine", "PATH": "bin", "SITE_TITEL": "not ours"}
    assert settings.load(environ, settings_file("")).site.title == "Mine"
    assert environ == {"SITE_TITLE": "Mine", "PATH": "bin", "SITE_TITEL": "not ours"}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"API_PORT": "99999"}, "api.port"),
        ({"API_PORT": "soon"}, "api.port"),
        ({"API_TOKEN_MINUTES": "16"}, "api.token_minutes"),
        ({"SITE_LANGUAGE": "fr"}, "site.language"),
        ({"S3_CONCURRENCY": "0"}, "s3.concurrency"),
        ({"BUILD_WORKERS": "-1"}, "build.workers"),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(environ)
    assert named in str(caught.value)
    assert str(caught.value).startswith(f"{next(iter(environ))}=")
    assert caught.value.code == "bad_settings"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[site]\nlanguage = "fr"\n', "site.language"),
        ('[site]\ntitel = "Typo"\n', "titel"),
        ('[sight]\ntitle = "Typo"\n', "sight"),
        ('[api]\nport = "8000"\n', "api.port"),  # a file has types; only the environment is all text
        ("site = 3\n", "site"),
        ("[s3]\nconcurrency = 0\n", "s3.concurrency"),
    ],
)
def test_a_bad_line_of_the_file_is_named(settings_file: WriteToml, text: str, named: str) -> None:
    path = settings_file(text)
    with pytest.raises(SettingsError) as caught:
        settings.load({}, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert named in str(caught.value)


def test_a_bad_value_in_the_file_is_not_hidden_by_the_environment(settings_file: WriteToml) -> None:
    path = settings_file('[site]\nlanguage = "fr"\n')
    with pytest.raises(SettingsError, match="language"):
        settings.load({"SITE_LANGUAGE": "en"}, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(SettingsError, match="cannot read the settings file") as caught:
        settings.load({}, path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("body", [b"[site\n", b'[site]\ntitle = "\xff"\n'])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "publisher.toml"
    path.write_bytes(body)
    with pytest.raises(SettingsError, match="is not valid TOML") as caught:
        settings.load({}, path)
    assert str(path) in str(caught.value)


def test_each_setting_has_one_name() -> None:
    names = list(settings.names())
    assert ("site", "language", "SITE_LANGUAGE") in names
    assert ("s3", "access_key", "S3_ACCESS_KEY") in names
    variables = [variable for _, _, variable in names]
    assert len(set(variables)) == len(variables)


text_values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(
    site=st.builds(settings.Site, title=text_values, language=st.sampled_from(["es", "pt", "en"]), url=text_values),
    data=st.builds(settings.Data, dir=text_values),
    s3=st.builds(settings.S3, bucket=text_values, secret_key=text_values, concurrency=st.integers(1, 10_000)),
    api=st.builds(settings.Api, host=text_values, port=st.integers(0, 65_535), token_minutes=st.integers(1, 15)),
    workers=st.integers(0, 64),
)
def test_the_environment_of_settings_loads_them_again(
    site: settings.Site, data: settings.Data, s3: settings.S3, api: settings.Api, workers: int
) -> None:
    given_settings = settings.Settings(site=site, data=data, s3=s3, api=api, build=Build(workers=workers))
    environ = settings.environment(given_settings)
    assert settings.load(environ) == given_settings
    assert set(environ) == {variable for _, _, variable in settings.names()}


def test_the_data_folder_holds_both_databases_and_the_build() -> None:
    data = settings.load({"DATA_DIR": "somewhere"}).data
    assert data.content_db == Path("somewhere/content.db")
    assert data.ledger_db == Path("somewhere/ledger.db")
    assert data.build_dir == Path("somewhere/build")


TWO = """
[[targets]]
name = "south"
bucket = "reviews-sa"
prefix = "site"
cdn = {kind = "fastly", site = "a", token = "b"}

[[targets]]
name = "europe"
endpoint = "https://store.example"
bucket = "reviews-eu"
profile = "spaces"
"""


def test_targets_are_in_rollout_order_after_the_short_form(settings_file: WriteToml) -> None:
    path = settings_file(TWO)
    loaded = settings.load({}, path)
    assert [target.name for target in loaded.regions] == ["south", "europe"]
    south, europe = loaded.regions
    assert (south.folder, south.place, south.cdn.kind) == ("site/", "aws/reviews-sa/site/", "fastly")
    assert (europe.place, europe.profile, europe.cdn) == ("store.example/reviews-eu/", "spaces", settings.Cdn())
    with_short = settings.load({"S3_BUCKET": "content", "S3_ENDPOINT": "http://127.0.0.1:1", "CDN_KIND": "nginx"}, path)
    first, *others = with_short.regions
    assert (first.name, first.place, first.cdn.kind) == ("content@local", "local/content/", "nginx")
    assert others == [south, europe]
    assert settings.load({}).regions == ()


def test_targets_go_to_a_child_process_and_back(settings_file: WriteToml) -> None:
    loaded = settings.load({}, settings_file(TWO))
    assert settings.load(settings.environment(loaded)) == loaded


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ('name = "South"\nbucket = "abc"', "$.targets[0].name"),
        ('name = "south"', "bucket` - at `$.targets[0]"),
        ('bucket = "abc"', "name` - at `$.targets[0]"),
        ('name = "south"\nbucket = "abc"\nprefix = "/x"', "$.targets[0].prefix"),
        ('name = "south"\nbucket = "abc"\nendpiont = "x"', "endpiont` - at `$.targets[0]"),
        ('name = "south"\nbucket = "abc"\ncdn = {kind = "akamai"}', "$.targets[0].cdn.kind"),
        ('name = "south"\nbucket = "abc"\nrequest_seconds = 0', "$.targets[0].request_seconds"),
        ('name = "south"\nbucket = "abc"\n[[targets]]\nname = "south"\nbucket = "b-2"', "$.targets[1].name"),
    ],
)
def test_a_bad_target_is_named(settings_file: WriteToml, target: str, named: str) -> None:
    path = settings_file(f"[[targets]]\n{target}\n")
    with pytest.raises(SettingsError) as caught:
        settings.load({}, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "text", ["{hushed", '"hushed"', '[{"name": "south", "secret_key": ["hushed"], "bucket": "abc"}]']
)
def test_targets_in_the_environment_are_checked_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="TARGETS=…") as caught:
        settings.load({"TARGETS": text})
    assert "hushed" not in str(caught.value)
    assert "secret_key" not in text or "secret_key" in str(caught.value), "but it is named"


def test_settings_are_frozen() -> None:
    loaded = settings.load({})
    with pytest.raises(AttributeError):
        loaded.site.title = "Another"  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    structs = msgspec.json.schema(settings.Settings)["$defs"]
    for section, field, _ in settings.names():
        properties = structs[section.capitalize()]["properties"]
        assert properties[field].get("description"), f"{section}.{field} has no description"
    for field, said in structs["Target"]["properties"].items():
        assert said.get("description") or "allOf" in said or "$ref" in said, f"targets.{field} has no description"
