"""A wrong setting fails at start, naming itself, its source and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoints.settings import SettingsError, load_settings


def test_there_is_a_default_for_everything() -> None:
    assert load_settings({}).port == 8000


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "strongroom.toml"
    file.write_text('port = 1234\nhost = "0.0.0.0"\n')
    settings = load_settings({"STRONGROOM_CONFIG": str(file), "STRONGROOM_PORT": "4321"})
    assert (settings.port, settings.host) == (4321, "0.0.0.0")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"STRONGROOM_PORT": "http"}, ["port", "'http'", "STRONGROOM_PORT", "int"]),
        ({"STRONGROOM_PORT": "70000"}, ["port", "STRONGROOM_PORT", "<= 65535"]),
        ({"STRONGROOM_LOG_FORMAT": "xml"}, ["log_format", "'xml'", "STRONGROOM_LOG_FORMAT"]),
        ({"STRONGROOM_PROT": "1"}, ["prot", "STRONGROOM_PROT", "Did you mean port?"]),
        ({"STRONGROOM_MODEL_URL": "http://localhost"}, ["model_url and model go together"]),
        ({"STRONGROOM_MODEL_HEDGE_SECONDS": "30"}, ["model_hedge_seconds", "less than", "30"]),
        (
            {"STRONGROOM_DATABASE_URL": "mysql://x"},
            ["database_url", "STRONGROOM_DATABASE_URL", "postgres(ql)?://"],
        ),
        ({"STRONGROOM_CONFIG": "/does/not/exist"}, ["STRONGROOM_CONFIG", "does not exist"]),
    ],
)
def test_what_is_wrong_is_named(variables: dict[str, str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(variables)
    for word in words:
        assert word in str(refused.value)


def test_a_secret_that_is_wrong_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({"STRONGROOM_MODEL_KEY": "sk-very-secret"})
    assert "sk-very-secret" not in str(refused.value)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("port = = 1")
    with pytest.raises(SettingsError, match="cannot be read as TOML"):
        load_settings({"STRONGROOM_CONFIG": str(file)})


def test_keys_are_asked_for_in_the_clear_on_this_machine_alone() -> None:
    here = load_settings({"STRONGROOM_VAULT_URL": "http://127.0.0.1:8200"})
    assert here.vault_url == "http://127.0.0.1:8200"
    with pytest.raises(SettingsError, match="set an https address"):
        load_settings({"STRONGROOM_VAULT_URL": "http://vault.example.org:8200"})


CHAIN = '[{"name": "a", "options": {"url": "https://x", "model": "m", "key": "sk-very-secret"}}]'


def test_models_are_tables_of_the_file_or_json_of_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "strongroom.toml"
    file.write_text(
        '[[models]]\nname = "a"\noptions = { url = "https://x", model = "m" }\n'
        '[[models]]\nname = "b"\nplugin = "llama_cpp"\n'
    )
    told = load_settings({"STRONGROOM_CONFIG": str(file)}).chosen_models
    assert [(each.name, each.plugin) for each in told] == [
        ("a", "openai_compatible"),
        ("b", "llama_cpp"),
    ]
    (one,) = load_settings({"STRONGROOM_MODELS": CHAIN}).chosen_models
    assert one.options["model"] == "m"


def test_one_model_by_its_address_is_a_chain_of_one() -> None:
    (one,) = load_settings(
        {"STRONGROOM_MODEL_URL": "http://localhost/v1", "STRONGROOM_MODEL": "m"}
    ).chosen_models
    assert (one.name, one.plugin) == ("m", "openai_compatible")
    assert one.options == {"url": "http://localhost/v1", "model": "m"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MODELS": "{"}, ["models", "is not allowed"]),
        ({"MODELS": '[{"plugin": "x"}]'}, ["models", "name"]),
        ({"MODELS": '[{"name": "a b"}]'}, ["models"]),
        ({"MODELS": '[{"name": "a", "url": "https://x"}]'}, ["models", "url"]),
        ({"MODELS": '[{"name": "a"}, {"name": "a"}]'}, ["a name of its own"]),
        ({"MODELS": CHAIN, "MODEL_URL": "https://x", "MODEL": "m"}, ["set one of them"]),
        ({"BUDGET_COST_PER_PERSON": "-1"}, ["budget_cost_per_person"]),
        ({"BUDGET_TOKENS_PER_TENANT": "many"}, ["budget_tokens_per_tenant", "'many'"]),
    ],
)
def test_a_chain_that_makes_no_sense_is_named(variables: dict[str, str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({f"STRONGROOM_{name}": value for name, value in variables.items()})
    for word in words:
        assert word in str(refused.value)
    assert "sk-very-secret" not in str(refused.value)


def test_weights_of_features_are_a_table_of_the_file_or_json_of_a_variable(tmp_path: Path) -> None:
    assert load_settings({}).search_feature_weights == {"owner_weight": 0.1}
    file = tmp_path / "strongroom.toml"
    file.write_text('[search_feature_weights]\nage = 0.2\n"language:de" = -0.1\n')
    told = load_settings({"STRONGROOM_CONFIG": str(file)}).search_feature_weights
    assert told == {"age": 0.2, "language:de": -0.1}
    told = load_settings({"STRONGROOM_SEARCH_FEATURE_WEIGHTS": "{}"}).search_feature_weights
    assert told == {}
    for wrong in ('{"wisdom": 1}', '{"age": 2}', '{"language:": 0.1}', "[]", "{"):
        with pytest.raises(SettingsError, match="search_feature_weights"):
            load_settings({"STRONGROOM_SEARCH_FEATURE_WEIGHTS": wrong})


def test_a_reranker_elsewhere_is_reached_by_https_alone() -> None:
    here = {"STRONGROOM_RERANKER_URL": "http://127.0.0.1:8080/v1"}
    assert load_settings(here).reranker_url == "http://127.0.0.1:8080/v1"
    for wrong in (
        {"STRONGROOM_RERANKER_URL": "http://ranker.example/v1"},
        {"STRONGROOM_RERANKER_KEY": "sesame"},
        here | {"STRONGROOM_RERANKER_PASSAGES": "51"},
        here | {"STRONGROOM_RERANKER_SHAPE": "round"},
    ):
        with pytest.raises(SettingsError, match="reranker_") as error:
            load_settings(wrong)
        assert "sesame" not in str(error.value)
