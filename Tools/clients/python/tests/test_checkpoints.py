"""Checkpoints through the client: what is kept, for whom, and for how long."""

import asyncio
import pathlib

import pytest
from conftest import BASE, Examples, Service

import tinsmith
from tinsmith import types

PROMPT = types.ModelInput.from_ints([4088, 4094, 10])


def test_checkpoints(
    client: tinsmith.ServiceClient,
    training: tinsmith.TrainingClient,
    examples: Examples,
    tmp_path: pathlib.Path,
) -> None:
    rest = client.create_rest_client()
    training.forward_backward(examples(0), "cross_entropy")
    training.optim_step(types.AdamParams(learning_rate=1e-2))
    state = training.save_state("one", user_metadata={"note": "grün"}).result(60).path
    with pytest.raises(tinsmith.AlreadyExistsError):
        training.save_state("one").result(60)
    training.save_state("one", overwrite=True, ttl_seconds=3600).result(60)
    weights = training.save_weights_for_sampler("two").result(60).path
    loss = training.forward(examples(0), "cross_entropy").result(60).loss

    listed = rest.list_checkpoints(training.model_id).result(60).checkpoints
    assert {state, weights} <= {c.tinker_path for c in listed}
    assert rest.list_user_checkpoints(limit=1).result(60).checkpoints == listed[:1]
    info = rest.get_checkpoint(state).result(60)
    assert (info.checkpoint_type, info.step, info.lora_rank) == ("training", 1, 4)
    assert info.expires_at is not None
    unlimited = rest.set_checkpoint_ttl_from_tinker_path(state, None).result(60)
    assert unlimited.expires_at is None
    limited = asyncio.run(rest.set_checkpoint_ttl_from_tinker_path_async(state, 60))
    assert limited.expires_at is not None
    assert rest.get_weights_info_by_tinker_path(state).result(60).base_model == BASE

    again = client.create_training_client_from_state_with_optimizer(state)
    assert again.fetch_info().result(60).step == 1
    assert again.forward(examples(0), "cross_entropy").result(60).loss == loss
    fresh = client.create_training_client_from_state(state)
    assert fresh.forward(examples(0), "cross_entropy").result(60).loss == loss
    training.optim_step()
    training.load_state_with_optimizer(state).result(60)
    assert training.forward(examples(0), "cross_entropy").result(60).loss == loss

    files = rest.download_checkpoint(weights, tmp_path / "adapter")
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(files)
    sampler = client.create_sampling_client(weights)
    params = types.SamplingParams(max_tokens=5, temperature=0)
    assert sampler.sample(PROMPT, 1, params).result(60).sequences[0].tokens
    assert sampler.model_path == weights

    rest.delete_checkpoint_from_tinker_path(state).result(60)
    rest.delete_checkpoint(training.model_id, "sampler_weights/two").result(60)
    left = rest.list_checkpoints(training.model_id).result(60).checkpoints
    assert not {state, weights} & {c.tinker_path for c in left}
    with pytest.raises(tinsmith.NotFoundError):
        rest.get_checkpoint(state).result(60)


def test_what_is_published_can_be_copied(
    service: Service, training: tinsmith.TrainingClient, client: tinsmith.ServiceClient
) -> None:
    rest = client.create_rest_client()
    path = training.save_state("shared").result(60).path
    with tinsmith.ServiceClient(base_url=service.endpoint, api_key="another") as other:
        others = other.create_rest_client()
        with pytest.raises(tinsmith.NotFoundError):
            others.get_checkpoint(path).result(60)
        assert rest.publish_checkpoint_from_tinker_path(path).result(60).public
        assert others.get_checkpoint(path).result(60).public
        copy = others.copy_checkpoint_from_tinker_path(path, "mine", ttl_seconds=60).result(60)
        assert copy.checkpoint_id == "weights/mine"
        assert copy.expires_at is not None
        assert not copy.public
        with pytest.raises(tinsmith.PermissionDeniedError):
            others.delete_checkpoint_from_tinker_path(path).result(60)
        assert not rest.unpublish_checkpoint_from_tinker_path(path).result(60).public
        assert asyncio.run(rest.publish_checkpoint_from_tinker_path_async(path)).public
        assert not asyncio.run(rest.unpublish_checkpoint_from_tinker_path_async(path)).public
        with pytest.raises(tinsmith.NotFoundError):
            others.get_checkpoint(path).result(60)
        assert others.list_user_checkpoints().result(60).checkpoints == [copy]


def test_the_oldest_make_room(
    training: tinsmith.TrainingClient, client: tinsmith.ServiceClient
) -> None:
    for number in range(3):
        training.save_state(f"state-{number}", keep_last=2).result(60)
        training.save_weights_for_sampler(f"weights-{number}", keep_last=1).result(60)
    left = client.create_rest_client().list_checkpoints(training.model_id).result(60).checkpoints
    assert {c.checkpoint_id for c in left} == {
        "weights/state-1",
        "weights/state-2",
        "sampler_weights/weights-2",
    }
    with pytest.raises(tinsmith.InvalidArgumentError):
        training.save_state("none", keep_last=0)


def test_adapters_leave_and_come_back(
    client: tinsmith.ServiceClient,
    training: tinsmith.TrainingClient,
    examples: Examples,
    tmp_path: pathlib.Path,
) -> None:
    rest = client.create_rest_client()
    training.forward_backward(examples(0), "cross_entropy")
    training.optim_step(types.AdamParams(learning_rate=1e-2))
    path = training.save_weights_for_sampler("out").result(60).path
    loss = training.forward(examples(0), "cross_entropy").result(60).loss
    rest.download_checkpoint(path, tmp_path / "adapter")
    made = rest.import_checkpoint(tmp_path / "adapter", BASE, user_metadata={"a": "b"}).result(60)
    assert (made.checkpoint_id, made.user_metadata) == ("weights/adapter", {"a": "b"})
    again = client.create_training_client_from_state(made.tinker_path)
    assert again.forward(examples(0), "cross_entropy").result(60).loss == loss
    with pytest.raises(tinsmith.InvalidArgumentError):
        (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"nothing")
        rest.import_checkpoint(tmp_path / "adapter", BASE, checkpoint_type="sampler").result(60)

    names = rest.download_merged_model(path, tmp_path / "merged")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(names)
    # The embedded model is tied, its adapter is not: the head becomes a tensor of its own.
    assert b"lm_head.weight" in (tmp_path / "merged" / "model.safetensors").read_bytes()[:20000]
